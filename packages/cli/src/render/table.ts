// Tables without borders that fit the terminal: the widest columns give way first and are cut with an
// ellipsis. Not on a terminal, nothing is cut. Pure.
import Table from "cli-table3";

export interface TableOptions {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
  /** Width to fit into; null = whatever it takes. */
  width: number | null;
}

const gap = 2;
/** No column is cut below this, or below its title. */
const minWidth = 6;

/** The table, each line ended by a newline and without trailing spaces. Empty cells show as -. */
export function renderTable({ columns, rows, width }: TableOptions): string {
  const cells = rows.map((row) => row.map((cell) => (cell === "" ? "-" : plain(cell))));
  const widths = fit(
    columns.map((title, index) =>
      Math.max(title.length, ...cells.map((row) => (row[index] ?? "").length)),
    ),
    columns.map((title) => Math.max(title.length, minWidth)),
    width,
  );
  const none = Object.fromEntries(
    ["top", "bottom", "left", "right", "mid"].flatMap((edge) => [
      [edge, ""],
      [`${edge}-mid`, ""],
      [`${edge}-left`, ""],
      [`${edge}-right`, ""],
    ]),
  );
  const table = new Table({
    head: [...columns],
    chars: { ...none, "left-mid": "", "mid-mid": "", "right-mid": "", middle: "" },
    style: { head: [], border: [], "padding-left": 0, "padding-right": gap },
    colWidths: widths.map((size) => size + gap),
    truncate: "…",
  });
  table.push(...cells);
  return `${table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

/** Takes from the widest column, one by one, until the line fits or every column is at its least. */
function fit(natural: readonly number[], least: readonly number[], width: number | null): number[] {
  const widths = [...natural];
  if (width === null) return widths;
  let excess = widths.reduce((sum, size) => sum + size + gap, -gap) - width;
  while (excess > 0) {
    let widest = -1;
    widths.forEach((size, index) => {
      if (size > (least[index] ?? 0) && size > (widths[widest] ?? 0)) widest = index;
    });
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

/** Text from elsewhere must not steer the terminal. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}
