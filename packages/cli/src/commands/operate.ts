// weft chassis and weft port: the verbs that act on one chassis or one port.
import { status as Code } from "@grpc/grpc-js";
import type { Port } from "@weft/shared/gen/weft/v1/northbound.ts";
import { Chassis, Kind, NorthboundServiceService } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  AdminServiceService,
  OrchestrationServiceService,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { RpcError } from "@weft/shared/grpc.ts";
import type { Command } from "commander";
import { Option } from "commander";
import type { Context, Session } from "../context.ts";
import { examples, nameText, parseDuration, refOf } from "../context.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import { kindEntry, numberOf } from "../kinds.ts";
import { writeOne, writeValue } from "../render/output.ts";
import type { ApplyFlags } from "./apply.ts";
import { applyChanges, showResponse, waitOptions } from "./apply.ts";

const portStates = {
  plugged: PortState.PLUGGED,
  programmed: PortState.PROGRAMMED,
  up: PortState.UP,
} as const;
const chassisText = "name of the chassis";
const defaultWaitMs = 30_000;
/** What central may take beside the wait itself. */
const answerMs = 10_000;

export function registerOperate(program: Command, context: Context): void {
  registerChassis(
    program
      .command("chassis")
      .description("adopt a chassis, drain it, or give it up")
      .helpCommand(false),
    context,
  );
  registerPort(
    program
      .command("port")
      .description("place a port, or wait until it is ready")
      .helpCommand(false),
    context,
  );
}

function registerChassis(group: Command, context: Context): void {
  group
    .command("adopt")
    .argument("<name>", chassisText)
    .description("let a chassis that waits (see weft status) take this central's state")
    .action(async (chassis: string, _: unknown, command: Command) => {
      await context.session(command, async ({ connection, out }) => {
        await connection.call(AdminServiceService.adoptChassis, { chassis });
        writeValue({ chassis, adopted: true }, () => `chassis ${chassis}: adopted\n`, out);
      });
    });
  for (const [verb, drain, text] of [
    ["drain", true, "let no new port land on a chassis unless the port requests it"],
    ["undrain", false, "let new ports land on a chassis again"],
  ] as const) {
    const command = group.command(verb).argument("<name>", chassisText).description(text);
    waitOptions(command).action(async (name: string, flags: ApplyFlags, command: Command) => {
      await context.session(command, async (session) => setDrain(session, name, drain, flags));
    });
  }
  group
    .command("lost")
    .argument("<name>", chassisText)
    .description("declare a chassis off for good: its ports are free, its peers refuse it")
    .option("-y, --yes", "do not ask")
    .action(async (chassis: string, flags: { yes?: boolean }, command: Command) => {
      const sure =
        flags.yes === true ||
        (await context.terminal.confirm(
          `Is chassis ${chassis} off for good? Its ports lose their connection.`,
        ));
      if (sure !== true) {
        throw new CliError(
          exitCodes.usage,
          `chassis ${chassis}: not declared lost; answer yes or give --yes`,
        );
      }
      await context.session(command, async ({ connection, out }) => {
        const { revision } = await connection.call(AdminServiceService.declareLost, {
          chassis,
        });
        const value = { chassis, revision: numberOf(revision) };
        writeValue(value, () => `chassis ${chassis}: lost, revision ${revision}\n`, out);
      });
    });
}

/** Reads the chassis first: an upsert replaces labels, and a change in between must not be undone. */
async function setDrain(
  session: Session,
  name: string,
  drain: boolean,
  flags: ApplyFlags,
): Promise<void> {
  const { connection, settings } = session;
  const { object } = await connection.call(NorthboundServiceService.get, {
    ref: refOf(Kind.CHASSIS, name, settings),
    atRevision: 0n,
  });
  if (object?.object?.$case !== "chassis") {
    throw new CliError(
      exitCodes.notFound,
      `chassis ${name}: does not exist; see weft list chassis`,
    );
  }
  const { meta } = object.object.value;
  const value = Chassis.fromPartial({
    meta: {
      id: meta?.id ?? name,
      name: meta?.name ?? "",
      labels: meta?.labels ?? {},
      revision: meta?.revision ?? 0n,
    },
    spec: { drain },
  });
  const change = { $case: "upsert", value: { object: { $case: "chassis", value } } } as const;
  showResponse(session, await applyChanges(session, [{ change }], flags), false);
}

function registerPort(group: Command, context: Context): void {
  group
    .command("plug")
    .argument("<port>", nameText)
    .argument("<chassis>", chassisText)
    .description("place a port on a chassis")
    .action(async (port: string, chassis: string, _: unknown, command: Command) => {
      await context.session(command, async (session) => {
        const { connection, settings } = session;
        const request = { port, project: settings.project, chassis };
        const answer = await connection.call(OrchestrationServiceService.plugPort, request);
        writePort(session, answer.port);
      });
    });
  group
    .command("unplug")
    .argument("<port>", nameText)
    .description("take the placement of a port back")
    .action(async (port: string, _: unknown, command: Command) => {
      await context.session(command, async (session) => {
        const { connection, settings } = session;
        const request = { port, project: settings.project };
        const answer = await connection.call(OrchestrationServiceService.unplugPort, request);
        writePort(session, answer.port);
      });
    });
  const waiting = group
    .command("wait")
    .argument("<port>", nameText)
    .description("wait until a port has reached a state");
  examples(waiting, "weft port wait web-1 --state programmed --timeout 2m")
    .addOption(
      new Option("--state <state>", "which state").choices(Object.keys(portStates)).default("up"),
    )
    .option("--timeout <duration>", "how long to wait, such as 2m (default: 30s)", parseDuration)
    .action(
      async (
        port: string,
        flags: { state: keyof typeof portStates; timeout?: number },
        command: Command,
      ) => {
        await context.session(command, async (session) => waitPort(session, port, flags));
      },
    );
}

async function waitPort(
  session: Session,
  port: string,
  flags: { state: keyof typeof portStates; timeout?: number },
): Promise<void> {
  const { connection, settings } = session;
  const timeoutMs = flags.timeout ?? defaultWaitMs;
  try {
    const answer = await connection.call(
      OrchestrationServiceService.waitPortReady,
      { port, project: settings.project, state: portStates[flags.state], timeoutMs },
      timeoutMs + answerMs,
    );
    writePort(session, answer.port);
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== Code.DEADLINE_EXCEEDED) throw error;
    throw new CliError(
      exitCodes.deadline,
      `port ${port}: is not ${flags.state.toUpperCase()}: ${error.message}; see weft describe port ${port}`,
      { cause: error },
    );
  }
}

function writePort({ out }: Session, port: Port | undefined): void {
  const entry = kindEntry(Kind.PORT);
  if (port === undefined || entry === undefined) return;
  writeOne(entry, { object: { $case: "port", value: port } }, out);
}
