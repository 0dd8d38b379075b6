// The addon loads and answers; a missing or broken one says what to run.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { NativeUnavailableError } from "./errors.ts";
import { engineVersion } from "./index.ts";
import { loadNative } from "./native.ts";

const scratch = mkdtempSync(join(tmpdir(), "weft-native-"));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

test("the engine reports the version of this package", () => {
  expect(engineVersion()).toBe(packageJson.version);
});

test("a missing addon names the command that builds it", () => {
  const path = join(scratch, "absent.node");
  expect(() => loadNative(path)).toThrow(NativeUnavailableError);
  expect(() => loadNative(path)).toThrow(`${path} is missing: run scripts/build-native`);
});

test("a broken addon names the command that builds it", () => {
  const path = join(scratch, "broken.node");
  writeFileSync(path, "not a shared object");
  expect(() => loadNative(path)).toThrow(/does not load into Node .*: run scripts\/build-native/);
});
