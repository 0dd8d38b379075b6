// Each rule of check-layers.ts on the smallest tree that breaks it, and on one that does not.
import { expect, test } from "vitest";
import { check } from "./check-layers.ts";
import { findCycles, findImports, withoutComments } from "./import-graph.ts";

const host = ["registry", "npmjs", "org"].join(".");

const cases: { name: string; files: Record<string, string>; expected: string[] }[] = [
  {
    name: "a clean tree has no finding",
    files: {
      "packages/shared/src/net/mac.ts": 'import { createHash } from "node:crypto";\n',
      "packages/central/src/main.ts":
        'import { mac } from "@weft/shared/net/mac.ts";\nimport "./central.ts";\n',
      "packages/central/src/central.ts": 'import { readFileSync } from "node:fs";\n',
      "packages/central/src/store/reader.ts": 'import Database from "better-sqlite3";\n',
    },
    expected: [],
  },
  {
    name: "central and agent never import each other",
    files: {
      "packages/central/src/a.ts": 'import { x } from "@weft/agent/x.ts";',
      "packages/agent/src/b.ts": 'import type { y } from "@weft/central/y.ts";',
    },
    expected: [
      "packages/agent/src/b.ts:1: packages/agent must not import packages/central",
      "packages/central/src/a.ts:1: packages/central must not import packages/agent",
    ],
  },
  {
    name: "shared imports nobody, also not by a relative path",
    files: { "packages/shared/src/a.ts": 'export {\n  x,\n} from "../../cli/src/x.ts";' },
    expected: [
      'packages/shared/src/a.ts:3: "../../cli/src/x.ts" leaves packages/shared: import the package by its name',
      "packages/shared/src/a.ts:3: packages/shared must not import packages/cli",
    ],
  },
  {
    name: "the test folder is for tests alone",
    files: {
      "packages/agent/src/a.test.ts": 'import { FakeClock } from "../../../test/fakes/clock.ts";',
      "packages/agent/src/a.ts": 'import { FakeClock } from "@weft/test/fakes/clock.ts";',
    },
    expected: ["packages/agent/src/a.ts:1: packages/agent must not import test"],
  },
  {
    name: "only the store knows SQLite",
    files: { "packages/central/src/api/a.ts": 'import Database from "better-sqlite3";' },
    expected: [
      "packages/central/src/api/a.ts:1: only packages/central/src/store may import better-sqlite3",
    ],
  },
  {
    name: "pure folders import no I/O and read no clock; their tests may",
    files: {
      "packages/agent/src/plan/a.ts":
        'import { readFile } from "node:fs/promises";\nconst t = Date.now(); // Math.random\n',
      "packages/agent/src/plan/a.test.ts": 'import { readFile } from "node:fs/promises";\n',
      "packages/agent/src/planner.ts": 'import { readFile } from "node:fs/promises";\n',
    },
    expected: [
      "packages/agent/src/plan/a.ts:1: a pure file must not import node:fs/promises: take the value as an argument",
      "packages/agent/src/plan/a.ts:2: a pure file must not use Date.now: take it as an argument",
    ],
  },
  {
    name: "a cycle is found across packages and through types",
    files: {
      "packages/shared/src/a.ts": 'import { b } from "./b.ts";',
      "packages/shared/src/b.ts": 'import type { A } from "./a.ts";',
    },
    expected: [
      "packages/shared/src/a.ts: import cycle: packages/shared/src/a.ts -> packages/shared/src/b.ts -> packages/shared/src/a.ts",
    ],
  },
  {
    name: "crates point one way and only the binding knows Node",
    files: {
      "packages/dataplane-native/crates/openflow/Cargo.toml":
        "[dependencies]\nweft-engine = { workspace = true }\nnapi = '3'\n",
      "packages/dataplane-native/crates/binding/Cargo.toml":
        "[dependencies]\nweft-engine = { workspace = true }\nnapi = '3'\n",
      "packages/dataplane-native/crates/extra/Cargo.toml": "[dependencies]\n",
    },
    expected: [
      "packages/dataplane-native/crates/extra/Cargo.toml: crate extra has no layer in scripts/check-layers.ts",
      "packages/dataplane-native/crates/openflow/Cargo.toml: crate openflow must not depend on engine",
      "packages/dataplane-native/crates/openflow/Cargo.toml: only crates/binding may depend on napi",
    ],
  },
  {
    name: "no registry host in the tree, no download address in a lock file",
    files: {
      "docs/a.md": `one\nsee https://${host}/x\n`,
      "pnpm-lock.yaml": "resolution: {integrity: sha512-x}\ntarball: https://example.net/x.tgz\n",
      "packages/dataplane-native/Cargo.lock":
        'source = "registry+https://github.com/rust-lang/crates.io-index"\nsource = "registry+https://example.net/i"\n',
    },
    expected: [
      `docs/a.md:2: names the registry host ${host}`,
      "packages/dataplane-native/Cargo.lock:2: a lock file must hold no download address",
      "pnpm-lock.yaml:2: a lock file must hold no download address",
    ],
  },
];

test.each(cases)("$name", ({ files, expected }) => {
  expect(check(new Map(Object.entries(files)))).toEqual(expected);
});

test("imports are found in every form, and not in comments or strings", () => {
  const text = [
    'import a from "a";',
    'import {\n  b,\n} from "b";',
    'import "c";',
    '// import "no";',
    '/* import "no"; */',
    'export * from "d";',
    'const e = await import("e");',
    'const f = require("f");',
    "const g = 'https://x // import \"no\"';",
  ].join("\n");
  expect(findImports(text).map((found) => [found.specifier, found.line])).toEqual([
    ["a", 1],
    ["b", 4],
    ["c", 5],
    ["d", 8],
    ["e", 9],
    ["f", 10],
  ]);
});

test("comments are blanked and lines kept", () => {
  expect(withoutComments('a /* b\nc */ d // e\n"// f"')).toBe('a     \n     d     \n"// f"');
});

test("two cycles that share no file are both reported", () => {
  const graph = new Map([
    ["a", ["b"]],
    ["b", ["a"]],
    ["c", ["c"]],
    ["d", ["a"]],
  ]);
  expect(findCycles(graph)).toEqual([
    ["a", "b", "a"],
    ["c", "c"],
  ]);
});
