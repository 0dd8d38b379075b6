// The process of `weft`: arguments, terminal, signals and exit status. Holds no command.
import { exitCodes } from "./exit-codes.ts";
import { runCli } from "./program.ts";
import { processTerminal } from "./terminal.ts";

const stop = new AbortController();
/** A second Ctrl-C ends at once, whatever is still going on. */
process.once("SIGINT", () => {
  stop.abort();
  process.once("SIGINT", () => process.exit(exitCodes.interrupted));
});
// `weft list ports | head`: who reads has enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli({
  args: process.argv.slice(2),
  terminal: processTerminal(),
  env: process.env,
  signal: stop.signal,
});
