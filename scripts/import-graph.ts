// What imports what among the project's TypeScript files, from their text alone. Owns the reading of
// import statements and the search for cycles; knows no rule. Used by check-layers.ts.
import { posix } from "node:path";

export interface Import {
  /** The module as written. */
  readonly specifier: string;
  /** 1-based. */
  readonly line: number;
}

/** Workspace packages: name to the folder that `name/x.ts` resolves into. */
export const packageRoots: ReadonlyMap<string, string> = new Map([
  ["@weft/shared", "packages/shared/src"],
  ["@weft/central", "packages/central/src"],
  ["@weft/agent", "packages/agent/src"],
  ["@weft/cli", "packages/cli/src"],
  ["@weft/dataplane-native", "packages/dataplane-native/ts"],
  ["@weft/test", "test"],
  ["@weft/bench", "bench"],
]);

/**
 * The text with comments replaced by spaces, lines kept. Strings are respected; a comment opener
 * inside a regular expression literal is not recognised as such and needs escaping there.
 */
export function withoutComments(text: string): string {
  const token =
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (match) =>
    match.startsWith("//") || match.startsWith("/*") ? match.replace(/[^\n]/g, " ") : match,
  );
}

const statement =
  /^[ \t]*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']|\b(?:import|require)\s*\(\s*["']([^"']+)["']/gm;

/** Every import, re-export, dynamic import and require with a literal module, in file order. */
export function findImports(text: string): Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(statement)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? "";
    const end = match.index + match[0].length;
    return { specifier, line: code.slice(0, end).split("\n").length };
  });
}

/** The project path an import means, or null for Node's and npm's modules. */
export function resolveImport(from: string, specifier: string): string | null {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  for (const [name, folder] of packageRoots) {
    if (specifier === name) return posix.join(folder, "index.ts");
    if (specifier.startsWith(`${name}/`)) return posix.join(folder, specifier.slice(name.length));
  }
  return null;
}

/** One cycle for each group of files that import each other, as a path that returns to its start. */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const path: string[] = [];
  const onPath = new Set<string>();
  const visit = (file: string): void => {
    if (finished.has(file)) return;
    if (onPath.has(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    path.push(file);
    onPath.add(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    onPath.delete(file);
    finished.add(file);
  };
  for (const file of [...graph.keys()].toSorted()) visit(file);
  return cycles;
}
