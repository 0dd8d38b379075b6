// What a run found, as a table for people and one flat object for the file. A figure that was not measured is null and `notes`
// says why; nothing is invented. Pure. Called by run.ts and ovn.ts.

import { type Field, type FieldName, fields, type Limit, limitAt } from "./fields.ts";
import type { Summary } from "./stats.ts";
import type { Size } from "./workload.ts";

export type Figures = Readonly<Record<FieldName, number | null>>;

/** Collects figures while a run goes on. A figure that nobody sets is null with the reason "not measured". */
export class Findings {
  readonly #figures = new Map<FieldName, number>();
  readonly #notes = new Map<string, string>();

  set(name: FieldName, value: number, digits = 3): void {
    this.#figures.set(name, Number(value.toFixed(digits)));
  }

  /** Sets <stem>_p50_ms and those of p90, p99 and max that are fields; the sample count goes to <stem>_samples in `notes`. */
  setDistribution(stem: string, summary: Summary | null, whyNot: string): void {
    for (const rank of ["p50", "p90", "p99", "max"] as const) {
      const name = fieldNamed(`${stem}_${rank}_ms`);
      if (name === undefined) continue;
      if (summary === null) this.missing(name, whyNot);
      else this.set(name, summary[rank]);
    }
  }

  /** Why a figure is not there. */
  missing(name: FieldName, reason: string): void {
    this.#notes.set(name, reason);
  }

  note(about: string, text: string): void {
    this.#notes.set(about, text);
  }

  get figures(): Figures {
    const entries = fields.map(({ name }) => [name, this.#figures.get(name) ?? null]);
    return Object.fromEntries(entries) as Figures;
  }

  get notes(): Readonly<Record<string, string>> {
    const notes = Object.fromEntries(this.#notes);
    for (const { name } of fields) {
      if (!this.#figures.has(name)) notes[name] ??= "not measured";
      else if (notes[name] === "not measured") delete notes[name];
    }
    return notes;
  }
}

function fieldNamed(name: string): FieldName | undefined {
  return fields.find((field) => field.name === name)?.name;
}

/** One line a figure: value, limit, and whether it is kept. Limits are for L and LR on a quiet machine; elsewhere L's are only shown. */
export function figureTable(
  found: { readonly figures: Figures; readonly notes: Readonly<Record<string, string>> },
  size: Size,
): string {
  const rows = fields.map((field: Field & { readonly name: FieldName }) => {
    const value = found.figures[field.name];
    const limit = limitAt(field, size);
    const verdict = value === null ? "" : isKept(limit, value);
    const note = found.notes[field.name] ?? "";
    return [field.name, show(value), field.unit, limitText(limit), verdict, note];
  });
  const limits = size === "LR" ? "limit at LR" : "limit at L";
  return renderTable(["figure", "value", "", limits, "", "note"], rows);
}

function isKept({ below, atMost }: Limit, value: number): string {
  if (below !== undefined) return value < below ? "ok" : "OVER";
  if (atMost !== undefined) return value <= atMost ? "ok" : "OVER";
  return "";
}

function limitText({ below, atMost }: Limit): string {
  if (below !== undefined) return `< ${below}`;
  return atMost === undefined ? "" : `<= ${atMost}`;
}

export function show(value: number | null): string {
  if (value === null) return "-";
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

/** Columns padded to their widest cell; the second and later ones that hold numbers are right-aligned. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [header, ...rows];
  const widths = header.map((_, at) => Math.max(...all.map((row) => (row[at] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return /^-?[\d.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(header), rule, ...rows.map(line)].join("\n");
}
