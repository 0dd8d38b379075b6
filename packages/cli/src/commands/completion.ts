// weft completion: scripts for bash and zsh that ask weft itself for candidates (`weft __complete`), so
// that verbs, options, kinds and the names of objects are never out of date.
import { Kind, NorthboundServiceService } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Command } from "commander";
import { Argument } from "commander";
import type { Context } from "../context.ts";
import type { KindEntry } from "../kinds.ts";
import { documentOf, kindEntry, kinds, metaText } from "../kinds.ts";
import { outputs } from "../settings.ts";

/** A shell must not hang at a key press. */
const askMs = 1_500;
const maxNames = 500;

const bash = `# weft completion for bash: source <(weft completion bash)
_weft() {
  local IFS=$'\\n'
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(weft __complete -- "\${words[@]}" 2>/dev/null))
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == __files ]]; then
    COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
    compopt -o filenames
  fi
}
complete -F _weft weft
`;

const zsh = `#compdef weft
# weft completion for zsh: weft completion zsh > "\${fpath[1]}/_weft"
_weft() {
  local -a candidates
  candidates=("\${(@f)$(weft __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${candidates[1]}" == __files ]]; then
    _files
  else
    compadd -a candidates
  fi
}
if [[ "\${funcstack[1]}" == _weft ]]; then _weft "$@"; else compdef _weft weft; fi
`;

export function registerCompletion(program: Command, context: Context): void {
  program
    .command("completion")
    .description("print a completion script for your shell")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh"]))
    .addHelpText(
      "after",
      '\nbash: source <(weft completion bash)\nzsh:  weft completion zsh > "${fpath[1]}/_weft"',
    )
    .action((shell: string) => context.terminal.write(shell === "bash" ? bash : zsh));

  program
    .command("__complete [words...]", { hidden: true })
    .action(async (words: string[], _: unknown, command: Command) => {
      const candidates = await complete(program, words, async (entry) =>
        namesOf(context, command, entry),
      );
      context.terminal.write(candidates.map((candidate) => `${candidate}\n`).join(""));
    });
}

/** Where a name is expected: verbs whose first argument is a kind, and those of one kind. */
const kindOfArgument = new Map<string, Kind>([
  ["flows", Kind.PORT],
  ["trace", Kind.PORT],
  ["port plug", Kind.PORT],
  ["port unplug", Kind.PORT],
  ["port wait", Kind.PORT],
  ["chassis adopt", Kind.CHASSIS],
  ["chassis drain", Kind.CHASSIS],
  ["chassis undrain", Kind.CHASSIS],
  ["chassis lost", Kind.CHASSIS],
]);

/** Candidates for the last word; `__files` alone asks the shell for file names. */
export async function complete(
  program: Command,
  words: readonly string[],
  namesOfKind: (entry: KindEntry) => Promise<string[]>,
): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const earlier = words.slice(0, -1);
  const starting = (all: readonly string[]): string[] =>
    [...new Set(all)].filter((word) => word.startsWith(current)).toSorted();

  let at = program;
  const args: string[] = [];
  for (let index = 0; index < earlier.length; index += 1) {
    const word = earlier[index] ?? "";
    if (word.startsWith("-")) {
      // An option that takes a value takes the next word with it.
      if (!word.includes("=") && optionOf(at, word)?.takesValue === true) index += 1;
      continue;
    }
    const next = args.length > 0 ? undefined : at.commands.find((child) => child.name() === word);
    if (next === undefined) args.push(word);
    else at = next;
  }

  const previous = optionOf(at, earlier.at(-1) ?? "");
  if (previous?.takesValue === true) {
    if (["--file", "--tls-dir", "--dir", "--out"].includes(previous.long)) return ["__files"];
    if (previous.long === "--output") return starting(outputs);
    return starting(previous.choices);
  }
  if (current.startsWith("-")) return starting(optionNames(at));
  if (at.commands.length > 0 && args.length === 0) {
    return starting(
      at.commands.map((child) => child.name()).filter((name) => !name.startsWith("__")),
    );
  }
  const path = pathOf(at);
  const ownKind = kindOfArgument.get(path);
  if (ownKind !== undefined) {
    const entry = args.length === 0 ? kindEntry(ownKind) : undefined;
    const target = path === "port plug" && args.length === 1 ? kindEntry(Kind.CHASSIS) : entry;
    return target === undefined ? [] : starting(await namesOfKind(target));
  }
  const [first] = at.registeredArguments;
  if (first?.name() === "shell") return starting(["bash", "zsh"]);
  if (first?.name() === "kinds") return starting(kinds.map(({ plural }) => plural));
  if (first?.name() !== "kind") return [];
  if (args.length === 0) {
    return starting(kinds.map(({ singular, plural }) => (path === "list" ? plural : singular)));
  }
  const entry = kinds.find(({ singular, plural, aliases }) =>
    [singular, plural, ...aliases].includes(args[0] ?? ""),
  );
  const takesMore = at.registeredArguments[1]?.variadic === true;
  const isAsked = at.registeredArguments.length > 1 && (args.length === 1 || takesMore);
  return entry !== undefined && isAsked ? starting(await namesOfKind(entry)) : [];
}

interface KnownOption {
  long: string;
  takesValue: boolean;
  choices: readonly string[];
}

function optionOf(command: Command, word: string): KnownOption | undefined {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const option = at.options.find(
      ({ short, long }) => word !== "" && (word === short || word === long),
    );
    if (option !== undefined) {
      return {
        long: option.long ?? "",
        takesValue: option.required || option.optional,
        choices: option.argChoices ?? [],
      };
    }
  }
  return undefined;
}

function optionNames(command: Command): string[] {
  const names = ["--help"];
  for (let at: Command | null = command; at !== null; at = at.parent) {
    names.push(...at.options.map(({ long }) => long ?? ""));
  }
  return names.filter((name) => name !== "");
}

function pathOf(command: Command): string {
  const parts: string[] = [];
  let at = command;
  while (at.parent !== null) {
    parts.unshift(at.name());
    at = at.parent;
  }
  return parts.join(" ");
}

/** Names from central; none if it does not answer soon: a completion must not print errors. */
async function namesOf(context: Context, command: Command, entry: KindEntry): Promise<string[]> {
  const names: string[] = [];
  try {
    await context.session(command, async ({ connection, settings }) => {
      const { objects } = await connection.call(
        NorthboundServiceService.list,
        {
          kind: entry.kind,
          project: entry.hasProject ? settings.project : "",
          labels: {},
          fields: {},
          pageSize: maxNames,
          pageToken: "",
          atRevision: 0n,
        },
        askMs,
      );
      for (const object of objects) {
        names.push(metaText(documentOf(object), "name", "id"));
      }
    });
  } catch {
    return [];
  }
  return names;
}
