// Rendering, field paths as inverses, and suggestions.
import fc from "fast-check";
import { expect, test } from "vitest";
import { fieldPath, nearestWord, parseFieldPath, renderDiagnostic } from "./diagnostics.ts";

test("one line, without empty parts", () => {
  const full = { code: "X", object: "port web-1", field: "spec.mac", message: "is taken" };
  expect(renderDiagnostic(full)).toBe("port web-1: spec.mac: is taken");
  expect(renderDiagnostic({ ...full, object: "", field: "" })).toBe("is taken");
});

test("field paths", () => {
  const text = "changes[3].upsert.port.spec.fixed_ips[0].ip";
  const parts = ["changes", 3, "upsert", "port", "spec", "fixed_ips", 0, "ip"];
  expect(fieldPath(parts)).toBe(text);
  expect(parseFieldPath(text)).toEqual(parts);
  const part = fc.oneof(fc.nat(), fc.stringMatching(/^[a-z][a-z_]*$/));
  fc.assert(
    fc.property(fc.array(part), (any) => {
      expect(parseFieldPath(fieldPath(any))).toEqual(any);
    }),
  );
});

test("suggestions", () => {
  const known = ["network", "fixedIps", "adminDown"];
  expect(nearestWord("netwrok", known)).toBe("network");
  expect(nearestWord("fixed_ips", known)).toBe("fixedIps");
  expect(nearestWord("Prot", ["Network", "Port"])).toBe("Port");
  expect(nearestWord("colour", known)).toBeUndefined();
});
