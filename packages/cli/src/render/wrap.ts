// Sentences that fit the terminal: broken between words, never cut. Pure; called by trace.ts here and by commands/status.ts.

/** What follows is indented by `hang` more than the line; a word that is too long stays whole. `width` null = one line. */
export function wrap(text: string, width: number | null, hang = 2): string[] {
  const trimmed = text.trimEnd();
  if (width === null || trimmed.length <= width) return [trimmed];
  const start = `${/^ */.exec(trimmed)?.[0] ?? ""}${" ".repeat(hang)}`;
  const lines: string[] = [];
  let line = "";
  for (const word of trimmed.split(/(?<=\S) +/)) {
    if (line === "") line = word;
    else if (line.length + 1 + word.length <= width) line = `${line} ${word}`;
    else {
      lines.push(line);
      line = `${start}${word}`;
    }
  }
  return [...lines, line];
}
