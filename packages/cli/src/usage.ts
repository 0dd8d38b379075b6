// What is said about a command line that is wrong: in one line as all errors of `weft` are, with the way out. Pure; commander finds
// the mistakes, program.ts puts these words on them.
import type { Command } from "commander";

/** Gives the command and all below it such errors. `path` is how the command is called. */
export function tellWayOut(command: Command, path: string): void {
  command.configureOutput({ outputError: (text, write) => write(usageText(text, path)) });
  for (const child of command.commands) tellWayOut(child, `${path} ${child.name()}`);
}

/** Commander's message, whose second line may be a suggestion, as `error: <what>; <what to do>`. */
export function usageText(message: string, path: string): string {
  const [what = "", suggestion = ""] = message.trimEnd().split("\n");
  const near = suggestion.replace(/^\(Did(.*)\)$/, "did$1 ");
  return `${what.replace(/\.$/, "")}; ${near}see ${path} --help\n`;
}
