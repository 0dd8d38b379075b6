// What pure code answers about bad input instead of throwing: one entry a problem, all problems
// named. Made by validation, configuration and compilers; rendered by whoever talks to a person.

export interface Diagnostic {
  /** What is wrong, for programs: UPPER_SNAKE, stable. */
  code: string;
  /** The object, for people: `port web-1`, `/etc/weft/central.yaml`. Empty = the request itself. */
  object: string;
  /** Path of the field within the request or file; empty = the object as a whole. */
  field: string;
  /** What is wrong and what to do about it, one sentence without a final period. */
  message: string;
}

/** One line: `object: field: message`, empty parts left out. */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  return [diagnostic.object, diagnostic.field, diagnostic.message]
    .filter((part) => part !== "")
    .join(": ");
}

/** A field path from its parts: keys joined by dots, numbers in brackets. */
export function fieldPath(parts: readonly (string | number)[]): string {
  let path = "";
  for (const part of parts) {
    if (typeof part === "number") path += `[${part}]`;
    else path += path === "" ? part : `.${part}`;
  }
  return path;
}

/** The parts of a field path; the inverse of `fieldPath` for keys without dots and brackets. */
export function parseFieldPath(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map((match) =>
    match[1] === undefined ? (match[2] ?? "") : Number(match[1]),
  );
}

/** Edit distance in which two swapped neighbours count once; for short words only. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(change, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The known word that `text` is most likely a slip of; undefined if none is near. */
export function nearestWord(text: string, known: readonly string[]): string | undefined {
  const plain = (word: string): string => word.toLowerCase().replaceAll(/[_-]/g, "");
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const word of known) {
    const next = distance(plain(text).slice(0, 64), plain(word).slice(0, 64));
    if (next < bestDistance) [best, bestDistance] = [word, next];
  }
  return best;
}
