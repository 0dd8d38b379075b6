// Enforces that dependencies point one way: proto -> shared -> {central, agent, cli}; pure folders
// stay pure; no import cycles; no registry or download address in the tree. Owns the rules, as data.
// Run by scripts/test.ts as a lint step and by hand: `.tools/bin/node scripts/check-layers.ts`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import {
  findCycles,
  findImports,
  packageRoots,
  resolveImport,
  withoutComments,
} from "./import-graph.ts";

/** Folder -> the project folders that its files may import beside their own. */
const layers: ReadonlyMap<string, readonly string[]> = new Map([
  ["packages/shared", []],
  ["packages/dataplane-native", []],
  ["packages/central", ["packages/shared"]],
  ["packages/agent", ["packages/shared", "packages/dataplane-native"]],
  ["packages/cli", ["packages/shared"]],
  ["test", [...new Set([...packageRoots.values()].map(ownerOf))].filter((o) => o !== "bench")],
  ["bench", [...new Set([...packageRoots.values()].map(ownerOf))]],
  ["scripts", []],
]);

/** Crate -> the crates of this workspace that it may use. */
const crateLayers: ReadonlyMap<string, readonly string[]> = new Map([
  ["openflow", []],
  ["instructions", []],
  ["compiler", ["openflow", "instructions"]],
  ["engine", ["openflow", "instructions", "compiler"]],
  ["binding", ["openflow", "instructions", "compiler", "engine"]],
  ["codegen", []],
]);

const pureFolders = [
  "packages/shared/src",
  "packages/central/src/model",
  "packages/central/src/derive",
  "packages/central/src/ipam",
  "packages/agent/src/plan",
];

/** Files below a pure folder that do I/O or read a clock on purpose, each with its reason. */
export const impureOnPurpose: ReadonlyMap<string, string> = new Map([
  ["packages/shared/src/clock.ts", "the one place that reads the system clock"],
  ["packages/shared/src/config.ts", "reads the configuration file"],
  ["packages/shared/src/grpc.ts", "the transport; a deadline is a time of day"],
  ["packages/shared/src/logging.ts", "writes the log"],
  ["packages/shared/src/pki.ts", "makes keys and writes certificate files"],
  ["packages/shared/src/tls.ts", "reads and watches certificate files"],
  ["packages/shared/src/gen", "generated: the gRPC service definitions import grpc-js"],
]);

const impureModules =
  /^(?:node:)?(?:child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|os|process|readline|repl|sqlite|timers|tls|worker_threads)(?:\/.*)?$/;
const impureCalls =
  /\b(?:Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|randomUUID|randomBytes|randomInt|getRandomValues|process\.hrtime)\b|\bnew Date\(\)|\bprocess\.env\b/g;

// Joined from parts, so that this file passes its own check.
const forbiddenHosts = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["index", "crates", "io"],
  ["static", "crates", "io"],
  ["static", "rust-lang", "org"],
  ["files", "pythonhosted", "org"],
  ["proxy", "golang", "org"],
].map((parts) => parts.join("."));
const lockFiles: ReadonlySet<string> = new Set(["pnpm-lock.yaml", "Cargo.lock"]);
// The name that cargo gives to its default source on every machine; nothing is fetched from there.
const cratesSource = "registry+https://github.com/rust-lang/crates.io-index";

/** The layer that a project path belongs to: `packages/<name>` or the top folder. */
function ownerOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  return top === "packages" ? `${top}/${second}` : top;
}

const isTest = (path: string): boolean => /\.(?:test|fixture)\.ts$/.test(path);
const isBelow = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

function checkImports(path: string, text: string): string[] {
  const findings: string[] = [];
  const owner = ownerOf(path);
  const allowed = layers.get(owner) ?? [];
  const pure = isPure(path);
  for (const { specifier, line } of findImports(text)) {
    const target = resolveImport(path, specifier);
    const at = `${path}:${line}`;
    // Tests beside their sources may use the shared fakes, lab and vectors, by path.
    const fromTests = isTest(path) && target !== null && ownerOf(target) === "test";
    if (target !== null && ownerOf(target) !== owner && !fromTests) {
      if (specifier.startsWith(".")) {
        findings.push(`${at}: "${specifier}" leaves ${owner}: import the package by its name`);
      }
      if (!allowed.includes(ownerOf(target))) {
        findings.push(`${at}: ${owner} must not import ${ownerOf(target)}`);
      }
    }
    if (/^better-sqlite3(\/|$)/.test(specifier) && !isBelow(path, "packages/central/src/store")) {
      findings.push(`${at}: only packages/central/src/store may import better-sqlite3`);
    }
    if (pure && impureModules.test(specifier)) {
      findings.push(
        `${at}: a pure file must not import ${specifier}: take the value as an argument`,
      );
    }
  }
  if (pure) {
    withoutComments(text)
      .split("\n")
      .forEach((code, index) => {
        for (const [call] of code.matchAll(impureCalls)) {
          findings.push(
            `${path}:${index + 1}: a pure file must not use ${call}: take it as an argument`,
          );
        }
      });
  }
  return findings;
}

function isPure(path: string): boolean {
  if (isTest(path)) return false;
  if ([...impureOnPurpose.keys()].some((exception) => isBelow(path, exception))) return false;
  return pureFolders.some((folder) => isBelow(path, folder));
}

function checkCrate(path: string, text: string): string[] {
  const crate = /^packages\/dataplane-native\/crates\/([^/]+)\/Cargo\.toml$/.exec(path)?.[1];
  if (crate === undefined) return [];
  const allowed = crateLayers.get(crate);
  if (allowed === undefined)
    return [`${path}: crate ${crate} has no layer in scripts/check-layers.ts`];
  const used = [...text.matchAll(/^weft-([a-z]+)\b/gm)].map((match) => match[1] ?? "");
  const findings = used
    .filter((name) => !allowed.includes(name))
    .map((name) => `${path}: crate ${crate} must not depend on ${name}`);
  if (crate !== "binding" && /^napi\b/m.test(text)) {
    findings.push(`${path}: only crates/binding may depend on napi`);
  }
  return findings;
}

function checkText(path: string, text: string): string[] {
  const isLock = lockFiles.has(posix.basename(path));
  return text.split("\n").flatMap((line, index) => {
    const at = `${path}:${index + 1}`;
    if (isLock) {
      return line.replace(cratesSource, "").includes("://")
        ? [`${at}: a lock file must hold no download address`]
        : [];
    }
    return forbiddenHosts
      .filter((host) => line.includes(host))
      .map((host) => `${at}: names the registry host ${host}`);
  });
}

/** Every breach of a rule as `path:line: what`, sorted; `files` maps project paths to their text. */
export function check(files: ReadonlyMap<string, string>): string[] {
  const findings: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, text] of files) {
    findings.push(...checkText(path, text));
    findings.push(...checkCrate(path, text));
    if (!path.endsWith(".ts") || !layers.has(ownerOf(path))) continue;
    findings.push(...checkImports(path, text));
    const targets = findImports(text).map(({ specifier }) => resolveImport(path, specifier));
    graph.set(path, targets.filter((target) => target !== null && files.has(target)).map(String));
  }
  for (const cycle of findCycles(graph)) {
    findings.push(`${cycle[0] ?? ""}: import cycle: ${cycle.join(" -> ")}`);
  }
  return findings.toSorted();
}

/** The files of the working tree that git tracks or would track, as text; binaries are left out. */
function projectFiles(root: string): Map<string, string> {
  const listed = execFileSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const files = new Map<string, string>();
  for (const path of listed.split("\0").filter((entry) => entry !== "")) {
    try {
      const text = readFileSync(posix.join(root, path), "utf8");
      if (!text.includes("\0")) files.set(path, text);
    } catch (error) {
      // Deleted but still in the index: nothing to check.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return files;
}

if (import.meta.main) {
  const files = projectFiles(posix.join(import.meta.dirname, ".."));
  const findings = check(files);
  for (const finding of findings) console.error(finding);
  console.log(`check-layers: ${files.size} files, ${findings.length} findings`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
