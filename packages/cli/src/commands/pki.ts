// weft pki: a local certificate authority. Works on files alone; central is not needed.
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples, parseCount } from "../context.ts";
import { writeValue } from "../render/output.ts";

const defaultDir = "weft-pki";
const defaultDays = 365;

export function registerPki(program: Command, context: Context): void {
  const group = program
    .command("pki")
    .description("issue certificates for mutual TLS, from an authority in a folder")
    .helpCommand(false);

  group
    .command("init")
    .description("make an authority: ca.crt and ca.key")
    .option("--dir <dir>", "folder of the authority", defaultDir)
    .option("--name <name>", "common name of the authority", "weft")
    .action(async (flags: { dir: string; name: string }, command: Command) => {
      // Loaded here only: it costs more than all the rest.
      const { initCa } = await import("@weft/shared/pki.ts");
      const made = await initCa(flags.dir, { name: flags.name, nowMs: Date.now() });
      const value = { certFile: made.certFile, notAfter: made.notAfter.toISOString() };
      const out = context.outputOptions(command, context.settings(command));
      writeValue(
        value,
        () =>
          `${value.certFile}: valid until ${value.notAfter}\nkeep ${flags.dir}/ca.key safe: who has it can be anybody\n`,
        out,
      );
    });

  const issuing = group
    .command("issue")
    .argument("<identity>", "central, chassis:<name> or operator:<name>")
    .description("issue a certificate");
  examples(
    issuing,
    "weft pki issue central --dns central.example.org --ip 192.0.2.10",
    "weft pki issue operator:ann --out ~/.config/weft/tls",
  )
    .option("--dir <dir>", "folder of the authority", defaultDir)
    .option("--dns <name>", "host name that central is called by; may be repeated", collect)
    .option("--ip <address>", "address that central is called by; may be repeated", collect)
    .option("--days <n>", "days that it is valid", parseCount, defaultDays)
    .option("--out <dir>", "folder for ca.crt, tls.crt and tls.key (default: <dir>/<identity>)")
    .action(
      async (
        identity: string,
        flags: { dir: string; dns?: string[]; ip?: string[]; days: number; out?: string },
        command: Command,
      ) => {
        const { issue } = await import("@weft/shared/pki.ts");
        const issued = await issue(flags.dir, {
          identity,
          dns: flags.dns ?? [],
          ips: flags.ip ?? [],
          days: flags.days,
          nowMs: Date.now(),
          ...(flags.out === undefined ? {} : { outDir: flags.out }),
        });
        const value = { identity, ...issued, notAfter: issued.notAfter.toISOString() };
        const out = context.outputOptions(command, context.settings(command));
        const text = `${issued.certFile}\n${issued.keyFile}\n${issued.caFile}\n${identity}: valid until ${value.notAfter}\n`;
        writeValue(value, () => text, out);
      },
    );
}
