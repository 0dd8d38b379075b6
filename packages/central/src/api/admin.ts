// AdminService: status, verification, adopt and lost, flows and cookies, backup. Registered by central.ts. Decides nothing itself.

import { status as Code } from "@grpc/grpc-js";
import type {
  AdminServiceServer,
  AdoptChassisRequest,
  AdoptChassisResponse,
  BackupRequest,
  BackupResponse,
  DeclareLostRequest,
  DeclareLostResponse,
  ExplainCookieRequest,
  ExplainCookieResponse,
  FlowLine,
  GetStatusResponse,
  PortFlowsRequest,
  PortFlowsResponse,
  TraceRequest,
  TraceResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import type { Chassis } from "@weft/shared/gen/weft/v1/northbound.ts";
import { Liveness } from "@weft/shared/gen/weft/v1/northbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { setImmediate } from "node:timers/promises";
import { describeError, errorKind } from "@weft/shared/errors.ts";
import { describeObject, resolve } from "../model/references.ts";
import type { ChassisRow, PortRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { tableNames } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import type { Store } from "../store/store.ts";
import type { Transactor } from "../store/transactor.ts";
import { tracePacket } from "../trace/tracer.ts";
import { audiences } from "./audience.ts";
import { actorOf, failStream, unaryMethod } from "./calls.ts";
import type { CallContext, CallTools } from "./calls.ts";
import { decodeCookie } from "./cookie.ts";
import { objectBehind } from "./cookie-object.ts";
import { notFound } from "./northbound.ts";
import type { Objects } from "./objects.ts";
import { findPort } from "./orchestration.ts";
import type { South } from "./south.ts";
import { invalid, Refused, refusedSet } from "./status.ts";

export interface AdminOptions {
  readonly tools: CallTools;
  readonly model: Model;
  readonly store: Store;
  readonly transactor: Transactor;
  readonly objects: Objects;
  readonly south: South;
  readonly whole: () => Promise<void>;
  /** In milliseconds, since the last time it was asked for by metrics. */
  readonly eventLoopP99Ms: () => number;
}

export function adminService(options: AdminOptions): AdminServiceServer {
  const admin = new Admin(options);
  const { tools } = options;
  return {
    getStatus: unaryMethod(tools, "GetStatus", () => admin.getStatus()),
    adoptChassis: unaryMethod(tools, "AdoptChassis", (request: AdoptChassisRequest, context) =>
      admin.adopt(request, context),
    ),
    declareLost: unaryMethod(tools, "DeclareLost", (request: DeclareLostRequest, context) =>
      admin.declareLost(request, context),
    ),
    portFlows: unaryMethod(tools, "PortFlows", (request: PortFlowsRequest, context) =>
      admin.portFlows(request, context),
    ),
    trace: unaryMethod(tools, "Trace", (request: TraceRequest, context) =>
      admin.trace(request, context),
    ),
    explainCookie: unaryMethod(tools, "ExplainCookie", async (request: ExplainCookieRequest) =>
      admin.explainCookie(request),
    ),
    backup: unaryMethod(tools, "Backup", (request: BackupRequest) => admin.backup(request)),
    verify: (call) => {
      const verify = async (): Promise<void> => {
        actorOf(call);
        await admin.verify(
          (response) => call.write(response),
          () => call.cancelled,
        );
      };
      void verify().then(
        () => call.end(),
        (error: unknown) => failStream(tools, "Verify", call, error),
      );
    },
  };
}

/** Differences that Verify names; the rest is counted by a second run after repair. */
const MAX_DIFFERENCES = 10_000;

type WriteVerify = (response: {
  checked: bigint;
  total: bigint;
  differences: string[];
  done: boolean;
}) => unknown;

class Admin {
  readonly #options: AdminOptions;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  async getStatus(): Promise<GetStatusResponse> {
    const { model, store, objects, south, whole, eventLoopP99Ms } = this.#options;
    await whole();
    const { revision, portsByState, chassis, convergedRevision } = await runInSlices(
      summary(model, objects),
    );
    const { scopes, scopeCount, deliveries } = await runInSlices(
      audiences(south.scopeSizes(), model),
    );
    return {
      storeId: store.storeId,
      revision,
      epoch: south.epoch,
      sequence: south.sequence,
      oldestRevision: await store.oldestRevision(),
      chassis,
      portsByState,
      convergedRevision,
      counts: Object.fromEntries(tableNames.map((table) => [table, BigInt(model.size(table))])),
      eventLoopP99Ms: eventLoopP99Ms(),
      writeState: store.writeState,
      scopes,
      scopeCount,
      deliveries,
    };
  }

  async verify(write: WriteVerify, isCancelled: () => boolean): Promise<void> {
    const { south, whole } = this.#options;
    await whole();
    const keys = (): bigint => BigInt(south.derivedKeys);
    let checked = 0n;
    let named = 0;
    for (const found of south.verify()) {
      if (isCancelled()) return;
      // An estimate: keys come and go meanwhile, and behind the keys come steps over the rows that give birth to them.
      const total = keys();
      checked += BigInt(VERIFY_SLICE);
      const differences = found.slice(0, Math.max(0, MAX_DIFFERENCES - named));
      named += differences.length;
      const shown = checked < total ? checked : total;
      write({ checked: shown, total, differences: [...differences], done: false });
      await setImmediate();
    }
    write({ checked: keys(), total: keys(), differences: [], done: true });
  }

  /** Lets a chassis take this central's state; one that was declared lost comes back. */
  async adopt(
    { chassis }: AdoptChassisRequest,
    { actor }: CallContext,
  ): Promise<AdoptChassisResponse> {
    const { south, whole } = this.#options;
    const row = this.#chassis(chassis);
    if (row.lost) await this.#setLost(row, false, actor, `adopt ${row.id}`);
    await whole();
    const adopted = south.adopt(row.id);
    if (!adopted && !row.lost) {
      const text = `chassis ${row.name} does not wait to be adopted: nothing was changed`;
      throw new Refused(Code.FAILED_PRECONDITION, text);
    }
    return {};
  }

  async declareLost(
    { chassis }: DeclareLostRequest,
    { actor }: CallContext,
  ): Promise<DeclareLostResponse> {
    const row = this.#chassis(chassis);
    return { revision: await this.#setLost(row, true, actor, `declare ${row.id} lost`) };
  }

  async portFlows(request: PortFlowsRequest, { signal }: CallContext): Promise<PortFlowsResponse> {
    const { model, south } = this.#options;
    const port = findPort(model, request);
    const chassis = this.#chassisOf(port);
    const json = await south
      .query(chassis, `port-flows ${port.id}`, signal)
      .catch((error: unknown) => {
        if (errorKind(error) !== "transient") throw error;
        // Central itself was reached: UNAVAILABLE would say that it was not.
        const text = `${describeError(error)}: see that its agent runs`;
        throw new Refused(Code.FAILED_PRECONDITION, text);
      });
    return { chassis, flows: parseFlows(json, chassis).map((flow) => this.#flowLine(flow)) };
  }

  async trace(request: TraceRequest, { signal }: CallContext): Promise<TraceResponse> {
    const { model, south } = this.#options;
    const port = findPort(model, request);
    this.#chassisOf(port);
    return tracePacket({ model, south, signal, nowMs: () => performance.now() }, port, request);
  }

  explainCookie({ cookie }: ExplainCookieRequest): ExplainCookieResponse {
    const decoded = decodeCookie(cookie);
    if (decoded === undefined) {
      const text = `0x${cookie.toString(16)} is no cookie of Weft: those begin with 0x57`;
      throw invalid("cookie", text);
    }
    const { kind, id } = objectBehind(this.#options.model, decoded);
    return { stage: decoded.stage, kind, id, text: decoded.text };
  }

  async backup({ path }: BackupRequest): Promise<BackupResponse> {
    const { bytes, revision } = await this.#options.store.backup(path);
    return { bytes: BigInt(bytes), revision };
  }

  /** Where a port is; refused with the reason when it is nowhere. */
  #chassisOf(port: PortRow): string {
    const { model, objects } = this.#options;
    const binding = model.get("binding", port.id);
    if (binding !== undefined && binding.state !== "down") return binding.chassis;
    const text = `${describeObject("port", port)} is DOWN: ${objects.portReason(port)}`;
    throw new Refused(Code.FAILED_PRECONDITION, text);
  }

  #chassis(name: string): ChassisRow {
    const row = resolve(this.#options.model, "chassis", name, "");
    if (row === undefined) throw notFound("chassis", { id: name, project: "" });
    return row;
  }

  async #setLost(row: ChassisRow, lost: boolean, actor: string, comment: string): Promise<bigint> {
    const answer = await this.#options.transactor.run(
      { actor, comment, dryRun: false, expectedRevision: 0n, idempotency: null },
      () => [
        {
          action: "edit",
          table: "chassis",
          at: "chassis",
          id: row.id,
          change: (now) => (now === undefined ? undefined : { ...now, lost }),
        },
      ],
    );
    if (answer.kind === "refused") throw refusedSet(answer.problems, answer.count);
    if (answer.kind === "replayed") throw new Error("edited without an idempotency key");
    return answer.outcome.revision;
  }

  #flowLine({ text, cookie }: AgentFlow): FlowLine {
    const decoded = decodeCookie(cookie);
    let origin = "not of Weft";
    if (decoded !== undefined) {
      const { id } = objectBehind(this.#options.model, decoded);
      const object = decoded.object === "pipeline" ? "" : ` ${decoded.object} ${id}`;
      origin = `${decoded.stage}${object}: ${decoded.text}`;
    }
    const packets = /\bn_packets=(\d+)/.exec(text)?.[1] ?? "0";
    return { flow: text, cookie, origin, packets: BigInt(packets) };
  }
}

/** Ports between two steps. */
const SUMMARY_STEP = 256;

/** Ports and chassis as they are doing; what changes between the steps may be in it or not. */
function* summary(
  model: Model,
  objects: Objects,
): Generator<
  void,
  Pick<GetStatusResponse, "revision" | "portsByState" | "chassis" | "convergedRevision">
> {
  const { revision } = model;
  const portsByState = [0, 0, 0, 0, 0];
  portsByState[PortState.DOWN] = model.size("port") - model.size("binding");
  let bindings = 0;
  for (const binding of model.values("binding")) {
    const state =
      PortState[binding.state.toUpperCase() as "DOWN" | "PLUGGED" | "PROGRAMMED" | "UP"];
    portsByState[state] = (portsByState[state] ?? 0) + 1;
    bindings += 1;
    if (bindings % SUMMARY_STEP === 0) yield;
  }
  const chassis: Chassis[] = [];
  let convergedRevision = revision;
  for (const id of model.sortedIds("chassis")) {
    const row = model.get("chassis", id);
    if (row === undefined) continue;
    const shown = objects.chassis(row);
    chassis.push(shown);
    const { liveness, realizedRevision = 0n } = shown.status ?? {};
    const counts = liveness === Liveness.ALIVE && realizedRevision < convergedRevision;
    if (counts) convergedRevision = realizedRevision;
    yield;
  }
  return { revision, portsByState, chassis, convergedRevision };
}

/** Steps of derivation between two answers of Verify. */
export const VERIFY_SLICE = 500;

interface AgentFlow {
  readonly text: string;
  readonly cookie: bigint;
}

/** The agent's reply: a list of {text, cookie}, the cookie as a number or as text. */
function parseFlows(json: string, chassis: string): AgentFlow[] {
  const garbled = (): Refused =>
    new Refused(Code.UNAVAILABLE, `chassis ${chassis} answered what is no list of flows`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw garbled();
  }
  if (!Array.isArray(parsed)) throw garbled();
  return (parsed as unknown[]).map((entry) => {
    const { text, cookie } = entry as { text?: unknown; cookie?: unknown };
    const isNumber = typeof cookie === "number" || typeof cookie === "string";
    if (typeof text !== "string" || !isNumber || !/^(?:0x[0-9a-f]+|\d+)$/.test(String(cookie))) {
      throw garbled();
    }
    return { text, cookie: BigInt(cookie) };
  });
}
