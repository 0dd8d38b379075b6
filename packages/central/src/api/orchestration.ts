// OrchestrationService: PlugPort, UnplugPort, WaitPortReady, on the same write path as Apply. Registered by central.ts.

import { status as Code } from "@grpc/grpc-js";
import type {
  OrchestrationServiceServer,
  PlugPortRequest,
  UnplugPortRequest,
  WaitPortReadyRequest,
  WaitPortReadyResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import type { Port } from "@weft/shared/gen/weft/v1/northbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { resolve } from "../model/references.ts";
import type { PortRow } from "../model/rows.ts";
import type { Model, Tables } from "../model/tables.ts";
import type { Transactor } from "../store/transactor.ts";
import { unaryMethod, waitMsOf } from "./calls.ts";
import type { CallContext, CallTools } from "./calls.ts";
import { notFound } from "./northbound.ts";
import type { Objects } from "./objects.ts";
import type { PortWaiters } from "./port-waiters.ts";
import { invalid, Refused, refusedSet } from "./status.ts";

export interface OrchestrationOptions {
  readonly tools: CallTools;
  readonly model: Model;
  readonly transactor: Transactor;
  readonly objects: Objects;
  readonly waiters: PortWaiters;
  readonly whole: () => Promise<void>;
}

export function orchestrationService(options: OrchestrationOptions): OrchestrationServiceServer {
  const orchestration = new Orchestration(options);
  const { tools } = options;
  return {
    plugPort: unaryMethod(tools, "PlugPort", (request: PlugPortRequest, context) => {
      if (request.chassis === "") throw invalid("chassis", "name the chassis that is to host it");
      return orchestration.place(request, request.chassis, context);
    }),
    unplugPort: unaryMethod(tools, "UnplugPort", (request: UnplugPortRequest, context) =>
      orchestration.place(request, null, context),
    ),
    waitPortReady: unaryMethod(
      tools,
      "WaitPortReady",
      (request: WaitPortReadyRequest, context) => orchestration.waitPortReady(request, context),
      (request) => waitMsOf(request.timeoutMs),
    ),
  };
}

interface PortName {
  readonly port: string;
  readonly project: string;
}

class Orchestration {
  readonly #options: OrchestrationOptions;

  constructor(options: OrchestrationOptions) {
    this.#options = options;
  }

  /** Sets or (null) takes back requested_chassis. */
  async place(
    name: PortName,
    chassis: string | null,
    { actor }: CallContext,
  ): Promise<{ port: Port; revision: bigint }> {
    const { transactor, model, objects } = this.#options;
    const answer = await transactor.run(
      {
        actor,
        comment: chassis === null ? "unplug" : `plug into ${chassis}`,
        dryRun: false,
        expectedRevision: 0n,
        idempotency: null,
      },
      (head) => {
        const row = findPort(head, name);
        const requestedChassis = chassis === null ? null : chassisIn(head, chassis);
        return [
          {
            action: "edit",
            table: "port",
            at: "port",
            id: row.id,
            change: (now) => (now === undefined ? undefined : { ...now, requestedChassis }),
          },
        ];
      },
    );
    if (answer.kind === "refused") throw refusedSet(answer.problems, answer.count);
    if (answer.kind === "replayed") throw new Error("placed without an idempotency key");
    const row = answer.outcome.results[0]?.row as PortRow;
    const port = objects.port(model.get("port", row.id) ?? row);
    return { port, revision: answer.outcome.revision };
  }

  async waitPortReady(
    request: WaitPortReadyRequest,
    { signal }: CallContext,
  ): Promise<WaitPortReadyResponse> {
    const { model, objects, waiters, whole } = this.#options;
    await whole();
    const wanted = request.state === PortState.UNSPECIFIED ? PortState.UP : request.state;
    if (wanted < PortState.DOWN || wanted > PortState.UP) {
      throw invalid("state", `value ${request.state} is not known`);
    }
    const { id } = findPort(model, request);
    const deadline = AbortSignal.timeout(waitMsOf(request.timeoutMs));
    const over = AbortSignal.any([signal, deadline]);
    for (;;) {
      const row = model.get("port", id);
      if (row === undefined) throw notFound("port", { id: request.port, project: request.project });
      if (objects.portState(row) >= wanted) return { port: objects.port(row) };
      if (!(await waiters.changed(id, over))) {
        const state = PORT_STATE_NAMES[objects.portState(row)] ?? "unknown";
        const text = `port ${row.name} is ${state}: ${objects.portReason(row)}`;
        throw new Refused(Code.DEADLINE_EXCEEDED, text);
      }
    }
  }
}

const PORT_STATE_NAMES: Readonly<Record<number, string>> = {
  [PortState.DOWN]: "DOWN",
  [PortState.PLUGGED]: "PLUGGED",
  [PortState.PROGRAMMED]: "PROGRAMMED",
  [PortState.UP]: "UP",
};

/** Throws Refused (NOT_FOUND). */
export function findPort(tables: Tables, { port, project }: PortName): PortRow {
  const row = resolve(tables, "port", port, project);
  if (row === undefined) throw notFound("port", { id: port, project });
  return row;
}

function chassisIn(tables: Tables, name: string): string {
  const row = resolve(tables, "chassis", name, "");
  if (row === undefined) throw notFound("chassis", { id: name, project: "" });
  if (row.lost) {
    const text = `chassis ${name} was declared lost: choose another, or "weft chassis adopt ${name}"`;
    throw new Refused(Code.FAILED_PRECONDITION, text);
  }
  return row.id;
}
