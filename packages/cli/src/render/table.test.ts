// Tables: golden text, fitting, and what must not reach a terminal.
import fc from "fast-check";
import { expect, test } from "vitest";
import { renderTable } from "./table.ts";

const columns = ["NAME", "REASON", "STATE"];
const rows = [
  ["web-1", "no interface with this iface-id on chassis-a", "DOWN"],
  ["db", "", "UP"],
];

test("whole where nothing limits it", () => {
  expect(renderTable({ columns, rows, width: null })).toBe(
    [
      "NAME   REASON                                        STATE",
      "web-1  no interface with this iface-id on chassis-a  DOWN",
      "db     -                                             UP",
      "",
    ].join("\n"),
  );
});

test("the widest column gives way", () => {
  expect(renderTable({ columns, rows, width: 40 })).toBe(
    [
      "NAME   REASON                      STATE",
      "web-1  no interface with this if…  DOWN",
      "db     -                           UP",
      "",
    ].join("\n"),
  );
});

test("only titles when there is nothing", () => {
  expect(renderTable({ columns, rows: [], width: 80 })).toBe("NAME  REASON  STATE\n");
});

test("control characters are taken out", () => {
  const text = renderTable({ columns: ["A"], rows: [["x\u001b[31m\ny\u009b"]], width: null });
  expect(text).toBe("A\nx [31m y\n");
});

test("fits, if the columns at their least do; one line a row; no trailing space", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", "b", " ", "-", "0"), maxLength: 60 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 10 }),
      fc.integer({ min: 30, max: 200 }),
      (cells, width) => {
        const lines = renderTable({ columns, rows: cells, width }).split("\n");
        expect(lines).toHaveLength(cells.length + 2);
        expect(lines.every((line) => line.length <= width && line === line.trimEnd())).toBe(true);
      },
    ),
  );
});
