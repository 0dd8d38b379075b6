// The command tree of `weft`: global options, all verbs, help topics. One file a group of verbs in
// commands/. `runCli` is the whole program but for the process around it; tests call it too.
import { nearestWord } from "@weft/shared/diagnostics.ts";
import { Command, CommanderError, Option } from "commander";
import { registerApply } from "./commands/apply.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerHistory } from "./commands/history.ts";
import { registerOperate } from "./commands/operate.ts";
import { registerPki } from "./commands/pki.ts";
import { registerRead } from "./commands/read.ts";
import { registerCentral, registerFlows, registerStatus } from "./commands/status.ts";
import { registerTrace } from "./commands/trace.ts";
import { Context } from "./context.ts";
import type { ExitCode } from "./exit-codes.ts";
import { CliError, exitCodes, exitCodeTexts, explainError } from "./exit-codes.ts";
import { kinds } from "./kinds.ts";
import { renderTable } from "./render/table.ts";
import type { Environment } from "./settings.ts";
import { defaultServer, outputs } from "./settings.ts";
import type { Terminal } from "./terminal.ts";
import { tellWayOut } from "./usage.ts";

export interface RunOptions {
  /** Without the names of node and script. */
  args: readonly string[];
  terminal: Terminal;
  env: Environment;
  signal: AbortSignal;
}

/** Runs one command; never rejects. Everything it has to say is on the terminal when it resolves. */
export async function runCli({ args, terminal, env, signal }: RunOptions): Promise<ExitCode> {
  const context = new Context({ terminal, env, signal });
  const program = buildProgram(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end this way too, with 0. Commander has printed already.
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    if (signal.aborted) return exitCodes.interrupted;
    const { code, lines } = explainError(error, context.server);
    for (const line of lines) terminal.writeError(`error: ${line}\n`);
    return code;
  }
}

type Register = (program: Command, context: Context) => void;

/** The verbs in the order of the help. */
const groups: readonly (readonly [heading: string, ...Register[]])[] = [
  ["Objects:", registerApply, registerRead, registerHistory],
  ["What is going on:", registerStatus, registerTrace, registerFlows],
  ["Operating:", registerOperate, registerCentral],
  ["Setting up:", registerPki, registerCompletion, registerHelp],
];

/** The tree, not yet run. */
export function buildProgram(context: Context): Command {
  const { terminal } = context;
  const program = new Command("weft")
    .description("Virtual networks for virtual machines: talks to weft-central.")
    .option("--server <address>", `central's northbound API (default: ${defaultServer})`)
    .option("--tls-dir <dir>", "folder with ca.crt, tls.crt, tls.key (default: ~/.config/weft/tls)")
    .option("--plaintext", "without TLS; only for loopback and unix sockets")
    .option("--project <name>", "project to work in (default: default; lists show all projects)")
    .addOption(new Option("-o, --output <format>", "how results are printed").choices(outputs))
    .option("--wide", "more columns, none cut")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (child) =>
        `${child.name()} ${child.usage().replace("[options]", "").trim()}`.trim(),
    })
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      "\nSettings also come from WEFT_SERVER, WEFT_TLS_DIR, WEFT_PLAINTEXT, WEFT_PROJECT and WEFT_OUTPUT,\nand from ~/.config/weft/config.yaml (server, tlsDir, plaintext, project, output).\nSee also: weft help COMMAND, weft help kinds, weft help exit-codes",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.writeError(text),
      getOutHelpWidth: () => terminal.columns ?? 100,
      getErrHelpWidth: () => terminal.columns ?? 100,
    });
  for (const [heading, ...registers] of groups) {
    program.commandsGroup(heading);
    for (const register of registers) register(program, context);
  }
  tellWayOut(program, "weft");
  return program;
}

/** Topics of help that are not commands. */
const helpTables = new Map([
  ["exit-codes", exitCodeTable],
  ["kinds", kindTable],
]);

function registerHelp(program: Command, context: Context): void {
  program
    .command("help")
    .argument("[topic...]", "a command, such as port wait; kinds; or exit-codes")
    .description("show help about a command, about kinds or about exit-codes")
    .action((topic: string[]) => {
      const table = helpTables.get(topic.join(" "));
      if (table !== undefined) {
        context.terminal.write(table());
        return;
      }
      let at = program;
      let path = "weft";
      for (const word of topic) {
        const next = at.commands.find((child) => child.name() === word);
        if (next === undefined) throw unknownTopic(word, at, path);
        at = next;
        path = `${path} ${word}`;
      }
      at.outputHelp();
    });
}

function unknownTopic(word: string, at: Command, path: string): CliError {
  const known = at.commands.map((child) => child.name()).filter((name) => !name.startsWith("__"));
  const near = nearestWord(word, path === "weft" ? [...known, ...helpTables.keys()] : known);
  const hint = near === undefined ? "" : `did you mean ${near}? `;
  const text = `${word}: no such command or topic; ${hint}see ${path} --help`;
  return new CliError(exitCodes.usage, text);
}

/** The table of `weft help kinds`. */
export function kindTable(): string {
  return renderTable({
    columns: ["KIND", "ALSO", "IN DOCUMENTS"],
    rows: kinds.map(({ name, singular, plural, aliases }) => [
      singular,
      [...new Set([plural, ...aliases])].filter((word) => word !== singular).join(", "),
      name,
    ]),
    width: null,
  });
}

/** The table of `weft help exit-codes`. */
export function exitCodeTable(): string {
  return renderTable({
    columns: ["CODE", "MEANING"],
    rows: exitCodeTexts.map(([code, text]) => [String(code), text]),
    width: null,
  });
}
