// Follows one packet from chassis to chassis: asks each agent for its way there, says what is behind each flow, and goes on where a
// tunnel or a physical network takes it. Bounded in chassis, copies and time. Changes nothing. Called by api/admin.ts.
//
//   first packet -> visit(chassis) -> agent: steps, outputs -> outcomes; outputs to a VTEP -> visit(next chassis) ...

import { status as Code } from "@grpc/grpc-js";
import { describeError, errorKind } from "@weft/shared/errors.ts";
import type {
  TraceComparison,
  TraceEvent,
  TraceRequest,
  TraceResponse,
  TraceStep,
  TraceVisit,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { TraceAgreement, TraceVerdict } from "@weft/shared/gen/weft/v1/orchestration.ts";
import {
  type TraceComparisonReply,
  type TraceFields,
  type TraceQuery,
  type TraceReply,
  type TraceReplyEvent,
  type TraceReplyStep,
  traceReplySchema,
} from "@weft/shared/trace-query.ts";
import { type Cookie, decodeCookie } from "../api/cookie.ts";
import { objectBehind } from "../api/cookie-object.ts";
import type { South } from "../api/south.ts";
import { Refused } from "../api/status.ts";
import { describeObject } from "../model/references.ts";
import type { PortRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { absentReceivers, idle } from "./absence.ts";
import { type FirstPacket, firstPacket } from "./packet.ts";
import { chassisAt, chassisName, receivers } from "./places.ts";
import { type End, outcomeOf, verdictOf } from "./verdict.ts";
import {
  answers,
  destinationOf,
  dropReason,
  encapNames,
  ipOf,
  keysText,
  macOf,
  serviceText,
} from "./words.ts";

/** Chassis that one packet and its copies are followed to. */
const MAX_VISITS = 32;
/** All of it, before the deadline of the call. */
const MAX_MS = 20_000;
/** Bytes of text, which an answer of central must hold. */
const MAX_TEXT_BYTES = 2 << 20;

export interface TracerOptions {
  readonly model: Model;
  readonly south: Pick<South, "query" | "chassisStatus">;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
}

/** Throws Refused: with what is to be done, when the first chassis cannot be asked. */
export async function tracePacket(
  options: TracerOptions,
  port: PortRow,
  request: TraceRequest,
): Promise<TraceResponse> {
  const packet = firstPacket(options.model, port, request);
  return new Walk(options, port, packet, request.real).run();
}

interface Arrival {
  readonly chassis: string;
  readonly entry: TraceQuery["entry"];
  readonly text: string;
  readonly from: number;
  readonly fields: TraceFields;
}

class Walk {
  readonly #options: TracerOptions;
  readonly #port: PortRow;
  readonly #packet: FirstPacket;
  readonly #real: boolean;
  readonly #arrivals: Arrival[] = [];
  readonly #visits: TraceVisit[] = [];
  readonly #ends: End[] = [];
  readonly #notes = new Set<string>();
  /** Ids of those that the packet was sent in, or routed to. */
  readonly #networks: Set<string>;
  /** Who answered on the way, as the verdict says it. */
  #answered: string | null = null;
  #textBytes = 0;
  #leftByTunnel = false;

  constructor(options: TracerOptions, port: PortRow, packet: FirstPacket, real: boolean) {
    this.#options = options;
    this.#port = port;
    this.#networks = new Set([port.network]);
    this.#packet = packet;
    this.#real = real;
  }

  async run(): Promise<TraceResponse> {
    const { model, nowMs, signal } = this.#options;
    const chassis = model.get("binding", this.#port.id)?.chassis ?? "";
    const entry = { kind: "port", portId: this.#port.id } as const;
    const text = `from ${describeObject("port", this.#port)}`;
    this.#arrivals.push({ chassis, entry, text, from: 0, fields: this.#packet.fields });
    const deadlineMs = nowMs() + MAX_MS;
    for (let at = 0; at < this.#arrivals.length; at += 1) {
      const arrival = this.#arrivals[at] as Arrival;
      const isLate = nowMs() >= deadlineMs || signal.aborted;
      if (isLate || this.#textBytes > MAX_TEXT_BYTES) {
        const left = this.#arrivals.length - at;
        this.#notes.add(`${left} chassis were not asked: the answer is late or large already`);
        break;
      }
      await this.#visit(arrival);
    }
    const { verdict, text: verdictText } = verdictOf(this.#ends, this.#answered);
    return {
      packet: this.#packet.text,
      visits: this.#visits,
      verdict,
      text: verdictText,
      notes: [...this.#notes],
    };
  }

  async #visit(arrival: Arrival): Promise<void> {
    const name = chassisName(this.#options.model, arrival.chassis);
    const visit: TraceVisit = {
      chassis: name,
      entry: arrival.text,
      from: arrival.from,
      packet: "",
      events: [],
      real: undefined,
      problem: "",
    };
    const reply = await this.#ask(arrival);
    this.#visits.push(visit);
    if (typeof reply === "string") {
      visit.problem = reply;
      const outcome = outcomeOf(TraceVerdict.UNKNOWN, reply);
      this.#ends.push({ outcome, stage: "", chassis: name, reason: reply });
      return;
    }
    visit.packet = reply.packet;
    visit.problem = reply.problem;
    visit.real = reply.real === null ? undefined : comparisonOf(reply.real);
    const { waitingFor } = this.#options.south.chassisStatus(arrival.chassis);
    if (waitingFor !== "") this.#notes.add(`chassis ${name} waits: ${waitingFor}`);
    if (visit.real?.agreement === TraceAgreement.NOT_KNOWN) {
      this.#notes.add(
        `what the switch of ${name} does is not known: the rest is what Weft compiled`,
      );
    }
    if (reply.cut)
      this.#notes.add(`${name}: only the first ${reply.events.length} events are told`);
    const before = this.#ends.length;
    let isGone = false;
    let last: { step: TraceReplyStep; cookie: Cookie | undefined } | undefined;
    for (const event of reply.events) {
      if (event.kind === "step") {
        const cookie = decodeCookie(BigInt(event.cookie));
        last = { step: event, cookie };
        visit.events.push({ event: { $case: "step", value: this.#step(event, cookie) } });
        if (answers(cookie)) this.#answered ??= this.#answerer(cookie);
        if (event.drops) this.#dropped(visit, arrival, last);
      } else if (event.kind === "bucket") {
        // One bucket is no choice.
        if (event.members < 2) continue;
        const { kind: _, ...choice } = event;
        visit.events.push({ event: { $case: "choice", value: choice } });
        if (!event.real) {
          this.#notes.add("which of several next hops a real packet takes is decided by a hash");
        }
      } else {
        isGone = true;
        this.#left(visit, arrival, event, last?.step.tableName ?? "");
      }
    }
    // A group without members is an end that no flow says.
    if (this.#ends.length === before && !isGone && !reply.cut && last !== undefined) {
      this.#dropped(visit, arrival, last);
    }
  }

  /** The agent's answer, or why there is none; throws Refused for the first chassis. */
  async #ask({ chassis, entry, fields, from }: Arrival): Promise<TraceReply | string> {
    const { south, signal } = this.#options;
    const { lengthBytes } = this.#packet;
    const query: TraceQuery = { entry, fields, lengthBytes, real: this.#real };
    const refuse = (reason: string): string => {
      if (from === 0) throw new Refused(Code.FAILED_PRECONDITION, reason);
      return reason;
    };
    let json: string;
    try {
      json = await south.query(chassis, `trace ${JSON.stringify(query)}`, signal);
    } catch (error) {
      if (errorKind(error) === "bug") throw error;
      const wayOut = errorKind(error) === "transient" ? ": see that its agent runs" : "";
      return refuse(`${describeError(error)}${wayOut}`);
    }
    this.#textBytes += json.length;
    const parsed = traceReplySchema.safeParse(parseJson(json));
    if (parsed.success) return parsed.data;
    return refuse(
      `chassis ${chassis} answered what is no trace: update weft-agent or weft-central`,
    );
  }

  #step(step: TraceReplyStep, cookie: Cookie | undefined): TraceStep {
    const { model } = this.#options;
    const behind = cookie === undefined ? undefined : objectBehind(model, cookie);
    if (behind?.table === "router-interface") {
      const network = model.get("router-interface", behind.id)?.network;
      if (network !== undefined) this.#networks.add(network);
    }
    return {
      table: step.table,
      tableName: step.tableName,
      depth: step.depth,
      priority: step.priority ?? undefined,
      match: step.matching,
      actions: step.actions,
      cookie: BigInt(step.cookie),
      rule: cookie?.text ?? (step.priority === null ? "no flow takes it" : "not of Weft"),
      objectKind: behind?.table ?? "",
      objectId: behind?.id ?? "",
      object: behind?.text ?? "",
      instruction: step.key,
    };
  }

  #behind(cookie: Cookie | undefined): string {
    return cookie === undefined ? "" : objectBehind(this.#options.model, cookie).text;
  }

  #answerer(cookie: Cookie | undefined): string {
    if (cookie === undefined) return "";
    const { model } = this.#options;
    const { table, id, text } = objectBehind(model, cookie);
    const router = table === "router-interface" ? model.get(table, id)?.router : undefined;
    const row = model.get("router", router ?? this.#linkEnd(table, id) ?? "");
    if (row !== undefined) return `answered by ${describeObject("router", row)}`;
    return text === "" ? "answered on the way" : `answered for ${text}`;
  }

  /** The router at that end of a link which has the packet's destination. */
  #linkEnd(table: string, id: string): string | undefined {
    const link = table === "router-link" ? this.#options.model.get(table, id) : undefined;
    const ip = destinationOf(this.#packet.fields);
    return link?.ends.find((end) => end.addresses.some((own) => own.split("/")[0] === ip))?.router;
  }

  #dropped(
    visit: TraceVisit,
    { fields }: Arrival,
    { step, cookie }: { step: TraceReplyStep; cookie: Cookie | undefined },
  ): void {
    const reason = dropReason({
      cookie,
      stage: step.tableName,
      object: this.#behind(cookie),
      sender: describeObject("port", this.#port),
      fields,
    });
    if (step.tableName === "l2-lookup") this.#noteAbsence(fields);
    const outcome = outcomeOf(TraceVerdict.DROPPED, `dropped at ${step.tableName}: ${reason}`);
    this.#end(visit, { outcome, stage: step.tableName, chassis: visit.chassis, reason });
  }

  /** The flows know nobody; the model may know whom they will not know. */
  #noteAbsence(fields: TraceFields): void {
    for (const text of absentReceivers(this.#options.model, this.#networks, fields)) {
      this.#notes.add(text);
    }
  }

  /** A copy left the tables. */
  #left(
    visit: TraceVisit,
    arrival: Arrival,
    event: Exclude<TraceReplyEvent, { kind: "step" | "bucket" }>,
    stage: string,
  ): void {
    const { chassis } = visit;
    const drop = (reason: string): void => {
      const outcome = outcomeOf(TraceVerdict.DROPPED, `dropped at ${stage}: ${reason}`);
      this.#end(visit, { outcome, stage, chassis, reason });
    };
    if (event.kind === "withheld") {
      const reason = "not sent back to where it came from";
      const outcome = outcomeOf(TraceVerdict.DROPPED, reason);
      return this.#end(visit, { outcome, stage, chassis, reason });
    }
    if (event.kind === "controller") {
      const { text, isEnd } = serviceText(event.service);
      const outcome = outcomeOf(TraceVerdict.PUNTED, text);
      if (event.service === "host-unreachable") this.#noteAbsence(arrival.fields);
      if (isEnd) this.#end(visit, { outcome, stage, chassis, reason: text });
      else visit.events.push({ event: { $case: "outcome", value: outcome } });
      return;
    }
    const { to, fields } = event;
    switch (to.kind) {
      case "port": {
        const row = this.#options.model.get("port", to.portId);
        const name = row === undefined ? `port ${to.portId}` : describeObject("port", row);
        const text = `delivered to ${name}`;
        const outcome = { ...outcomeOf(TraceVerdict.DELIVERED, text), port: to.portId };
        const why = row === undefined ? undefined : idle(this.#options.model, row);
        if (why !== undefined) this.#notes.add(why);
        return this.#end(visit, { outcome, stage, chassis, reason: name });
      }
      case "tunnel":
        return this.#tunnel(visit, { encap: to.encap, fields }, drop);
      case "patch":
        return this.#physical(visit, arrival, { physicalNetwork: to.physicalNetwork, fields });
      case "unknown":
        return drop(`it left by port ${to.ofport} of the switch, which is not Weft's`);
    }
  }

  #tunnel(
    visit: TraceVisit,
    { encap, fields }: { readonly encap: number; readonly fields: TraceFields },
    drop: (reason: string) => void,
  ): void {
    const v4 = fields["tun_dst"];
    const v6 = fields["tun_ipv6_dst"];
    const vtep = v4 === undefined ? v6 && ipOf(v6, 6) : ipOf(v4, 4);
    const name = encapNames.get(encap) ?? `encap ${encap}`;
    if (vtep === undefined || vtep === "") return drop(`no VTEP to send to by ${name}`);
    const next = chassisAt(this.#options.model, encap, vtep);
    if (next === undefined) return drop(`no chassis has the VTEP ${vtep}`);
    const to = chassisName(this.#options.model, next);
    if (this.#real && !this.#leftByTunnel) {
      const ping = `ping ${vtep} from ${visit.chassis}, with long packets too (-M do -s)`;
      this.#notes.add(`the underlay was not tried: should packets be lost all the same, ${ping}`);
    }
    this.#leftByTunnel = true;
    const number = this.#go({
      chassis: next,
      entry: { kind: "tunnel", encap },
      text: `by ${name} from chassis ${visit.chassis}`,
      from: this.#visits.length,
      fields,
    });
    const text = `to chassis ${to} at ${vtep} by ${name}${keysText(fields)}`;
    const outcome = { ...outcomeOf(TraceVerdict.UNSPECIFIED, text), chassis: to, visit: number };
    visit.events.push({ event: { $case: "outcome", value: outcome } });
  }

  /** Who takes it from the wire is known to Weft when it is for a port of the network, or for all. */
  #physical(
    visit: TraceVisit,
    arrival: Arrival,
    { physicalNetwork, fields }: { readonly physicalNetwork: string; readonly fields: TraceFields },
  ): void {
    const vlan = Number(fields["vlan_vid"] ?? "0x0") & 0xfff;
    const tag = vlan === 0 ? "untagged" : `VLAN ${vlan}`;
    const text = `out to physical network ${physicalNetwork}, ${tag}`;
    const targets = receivers(this.#options.model, physicalNetwork, vlan, macOf(fields, "eth_dst"));
    targets.delete(arrival.chassis);
    if (targets.size === 0) {
      const outcome = outcomeOf(TraceVerdict.LEFT, text);
      return this.#end(visit, { outcome, stage: "", chassis: visit.chassis, reason: text });
    }
    for (const chassis of targets) {
      const to = chassisName(this.#options.model, chassis);
      const number = this.#go({
        chassis,
        entry: { kind: "patch", physicalNetwork },
        text: `by physical network ${physicalNetwork} from chassis ${visit.chassis}`,
        from: this.#visits.length,
        fields,
      });
      const outcome = {
        ...outcomeOf(TraceVerdict.UNSPECIFIED, `${text}, to chassis ${to}`),
        chassis: to,
        visit: number,
      };
      visit.events.push({ event: { $case: "outcome", value: outcome } });
    }
  }

  /** Number of the visit where it goes on; 0 = it is not followed. */
  #go(arrival: Arrival): number {
    if (this.#arrivals.length >= MAX_VISITS) {
      this.#notes.add(`copies beyond ${MAX_VISITS} chassis are not followed`);
      return 0;
    }
    this.#arrivals.push(arrival);
    return this.#arrivals.length;
  }

  #end(visit: TraceVisit, end: End): void {
    visit.events.push({ event: { $case: "outcome", value: end.outcome } } satisfies TraceEvent);
    this.#ends.push(end);
  }
}

const agreements: Readonly<Record<TraceComparisonReply["agreement"], TraceAgreement>> = {
  same: TraceAgreement.SAME,
  different: TraceAgreement.DIFFERENT,
  "not-known": TraceAgreement.NOT_KNOWN,
};

function comparisonOf(reply: TraceComparisonReply): TraceComparison {
  return { ...reply, agreement: agreements[reply.agreement] };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
