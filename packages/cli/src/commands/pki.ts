// weft pki: a local certificate authority. Works on files alone; central is not needed.
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, parseCount } from "../context.ts";
import { writeValue } from "../render/output.ts";

const defaultDir = "weft-pki";
const defaultDays = 365;

export function registerPki(program: Command, context: Context): void {
  const group = program.command("pki").description("a local certificate authority for mutual TLS");

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

  group
    .command("issue <identity>")
    .description("issue a certificate: central, chassis:<name> or operator:<name>")
    .option("--dir <dir>", "folder of the authority", defaultDir)
    .option("--dns <name>", "host name that central is called by; may be repeated", collect)
    .option("--ip <address>", "address that central is called by; may be repeated", collect)
    .option("--days <n>", "how long it is valid", parseCount, defaultDays)
    .option("--out <dir>", "folder for ca.crt, tls.crt and tls.key; default DIR/<identity>")
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
