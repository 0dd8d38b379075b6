// The ports of this chassis and the state of each: what the instructions say of it (local port), what OVSDB shows (VIF), and
// how far the engine has come. Pure: facts go in, changed reports come out. Fed and drained by agent.ts. A port that does not fit
// (fit.ts) is barred: it stays PLUGGED, so that central gives it no location, and agent.ts keeps its interface from the engine, so
// that it can neither send nor receive.

import type { LocalPort, NetworkConfig, PortReport } from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { misfitOf, type Misfit, type Underlay } from "./fit.ts";

/** What OVSDB shows of an interface that carries an iface-id. */
export interface Vif {
  readonly portId: string;
  readonly name: string;
  /** 1..0xfffffeff; 0 = OVS has none (yet). */
  readonly ofport: number;
  readonly linkUp: boolean;
  /** 0 = not known. */
  readonly mtuBytes: number;
  /** From OVS; empty = none. */
  readonly error: string;
}

/** Open vSwitch has it, without fault: the engine is told of such interfaces only. */
export function isUsable(vif: Vif | null): boolean {
  return vif !== null && vif.ofport > 0 && vif.error === "";
}

export interface PortEntry {
  readonly portId: string;
  readonly key: string | null;
  readonly local: LocalPort | null;
  readonly vif: Vif | null;
  /** Generation of the binding as last told, or as kept in the checkpoint; 0 = a new claim. */
  readonly generation: bigint;
  /** Why central says that the port is not this chassis'; empty = it did not. */
  readonly refusal: string;
  /** It was programmed here before with the MTU it has: a network's MTU that falls does not take it down. */
  readonly admitted: boolean;
  /**
   * Its flows were in once since its interface came, in this life or the one before. A change of a programmed port does not take
   * it back to PLUGGED: central would withdraw its location, and established traffic would pay for an update.
   */
  readonly programmed: boolean;
  /** Ticket of the engine that must complete before the port counts as programmed; null = none is due. */
  readonly awaits: bigint | null;
  readonly reported: PortReport | null;
}

export class PortTable {
  readonly #underlay: Underlay;
  readonly #networks = new Map<number, NetworkConfig>();
  readonly #ports = new Map<string, PortEntry>();
  readonly #idOfKey = new Map<string, string>();
  readonly #idsOfNetwork = new Map<number, Set<string>>();
  readonly #changed = new Set<string>();
  #failures: ReadonlyMap<string, string> = new Map();

  constructor(underlay: Underlay) {
    this.#underlay = underlay;
  }

  get(portId: string): PortEntry | undefined {
    return this.#ports.get(portId);
  }

  entries(): IterableIterator<PortEntry> {
    return this.#ports.values();
  }

  /** An instruction `chassis/<name>/port/<key>` came, changed or went (null). */
  setLocal(key: string, local: LocalPort | null): void {
    const before = this.#idOfKey.get(key);
    if (before !== undefined && before !== local?.portId) {
      this.#idOfKey.delete(key);
      const entry = this.#ports.get(before);
      if (entry?.local) this.#idsOfNetwork.get(entry.local.networkKey)?.delete(before);
      this.#put(before, { key: null, local: null, generation: 0n, programmed: false });
    }
    if (local === null) return;
    this.#idOfKey.set(key, local.portId);
    const ids = this.#idsOfNetwork.get(local.networkKey);
    if (ids === undefined) this.#idsOfNetwork.set(local.networkKey, new Set([local.portId]));
    else ids.add(local.portId);
    const entry = this.#ports.get(local.portId);
    // Admin down, it had no flows that let traffic through: those are to be waited for.
    const programmed = entry?.programmed === true && (entry.local?.adminUp ?? true);
    this.#put(local.portId, { key, local, generation: local.generation, refusal: "", programmed });
  }

  /** Central refused the report of a port. Forgotten when its interface or its instruction changes. */
  setRefusal(portId: string, refusal: string): void {
    if (this.#ports.has(portId)) this.#put(portId, { refusal });
  }

  /** An instruction `network/<key>/config` came, changed or went (null). */
  setNetwork(networkKey: number, network: NetworkConfig | null): void {
    if (network === null) this.#networks.delete(networkKey);
    else this.#networks.set(networkKey, network);
    for (const id of this.#idsOfNetwork.get(networkKey) ?? []) {
      if (this.#ports.has(id)) this.#put(id, {});
    }
  }

  setVif(portId: string, vif: Vif | null): void {
    const before = this.#ports.get(portId);
    const grown = vif !== null && before?.vif && vif.mtuBytes > before.vif.mtuBytes;
    const admitted = before?.admitted === true && vif !== null && !grown;
    const sameDevice = before?.vif === null || before?.vif?.ofport === vif?.ofport;
    const programmed = before?.programmed === true && isUsable(vif) && sameDevice;
    this.#put(portId, { vif, admitted, programmed, refusal: "" });
  }

  /** A port that the checkpoint says this chassis held: its first report names the generation, and its flows are still there. */
  setHeld(portId: string, generation: bigint): void {
    this.#put(portId, { generation, admitted: true, programmed: true });
  }

  /** The port does not fit this chassis: it must be closed both ways. */
  isBarred(portId: string): boolean {
    const entry = this.#ports.get(portId);
    return entry !== undefined && this.#barred(entry) !== "";
  }

  /** Ports for the checkpoint: those that this chassis has and lets in. */
  *held(): Generator<{ portId: string; generation: bigint }> {
    for (const entry of this.#ports.values()) {
      if (entry.local === null || entry.vif === null || this.#barred(entry) !== "") continue;
      yield { portId: entry.portId, generation: entry.generation };
    }
  }

  /** The engine was given something that concerns these ports under this ticket. */
  awaitTicket(portIds: Iterable<string>, ticket: bigint): void {
    for (const id of portIds) if (this.#ports.has(id)) this.#put(id, { awaits: ticket });
  }

  /** Ports that an instruction key concerns: its own port, or all of its network when it is the network's. */
  portsOfKey(key: string): Iterable<string> {
    const own = this.#idOfKey.get(key);
    if (own !== undefined) return [own];
    const network = /^network\/(\d+)\/config$/.exec(key)?.[1];
    return network === undefined ? [] : (this.#idsOfNetwork.get(Number(network)) ?? []);
  }

  /** The engine completed everything up to this ticket; `failures` are all keys that fail now. */
  completed(ticket: bigint, failures: ReadonlyMap<string, string>): void {
    for (const key of [...this.#failures.keys(), ...failures.keys()]) {
      if (this.#failures.get(key) === failures.get(key)) continue;
      for (const id of this.portsOfKey(key)) this.#changed.add(id);
    }
    this.#failures = failures;
    for (const [id, entry] of this.#ports) {
      if (entry.awaits === null || entry.awaits > ticket) continue;
      const programmed = entry.local !== null && isUsable(entry.vif);
      this.#put(id, { awaits: null, programmed });
    }
  }

  /** What is to be said of a port now. */
  reportOf(portId: string): PortReport {
    const entry = this.#ports.get(portId);
    if (entry === undefined) return report(portId, PortState.DOWN, "no such interface", 0n, 0);
    const [state, reason] = this.#judge(entry);
    return report(portId, state, reason, entry.generation, entry.vif?.mtuBytes ?? 0);
  }

  /** Reports that differ from what was last taken. Empties the list of changes. */
  takeChangedReports(): PortReport[] {
    const reports: PortReport[] = [];
    for (const id of this.#changed) {
      const entry = this.#ports.get(id);
      if (entry === undefined) continue;
      const next = this.reportOf(id);
      const gone = entry.vif === null && entry.local === null;
      if (!sameReport(entry.reported, next)) reports.push(next);
      const admitted = entry.admitted || next.state >= PortState.PROGRAMMED;
      if (gone) this.#ports.delete(id);
      else this.#ports.set(id, { ...entry, admitted, reported: next });
    }
    this.#changed.clear();
    return reports;
  }

  /** Reports of every port, for a new stream; they count as taken. Ports without an interface are named too when placed here. */
  takeAllReports(): PortReport[] {
    for (const id of this.#ports.keys()) this.#changed.add(id);
    for (const [id, entry] of this.#ports) this.#ports.set(id, { ...entry, reported: null });
    return this.takeChangedReports();
  }

  #judge(entry: PortEntry): readonly [PortState, string] {
    const { vif, local } = entry;
    if (vif === null) {
      const reason = `no interface has external_ids:iface-id=${entry.portId}: attach one`;
      return [PortState.DOWN, reason];
    }
    if (vif.error !== "") return [PortState.DOWN, `interface ${vif.name}: ${vif.error}`];
    if (vif.ofport === 0) return [PortState.DOWN, `interface ${vif.name} has no ofport yet`];
    if (local === null) {
      const refusal =
        entry.refusal === "" ? "waiting for central to place the port here" : entry.refusal;
      return [PortState.PLUGGED, refusal];
    }
    const barred = this.#barred(entry);
    if (barred !== "") return [PortState.PLUGGED, barred];
    const failure = this.#failureOf(entry);
    if (failure !== undefined) return [PortState.PLUGGED, failure];
    if (entry.awaits !== null && !entry.programmed) {
      return [PortState.PLUGGED, "flows are being installed"];
    }
    if (!local.adminUp) return [PortState.PROGRAMMED, "port is admin down"];
    if (!vif.linkUp) return [PortState.PROGRAMMED, `interface ${vif.name} has no carrier`];
    return [PortState.UP, this.#misfit(entry)?.reason ?? ""];
  }

  /** Why the port is not let in; empty = it is. */
  #barred(entry: PortEntry): string {
    const misfit = this.#misfit(entry);
    if (misfit === undefined) return "";
    if (misfit.of === "chassis") return misfit.reason;
    return this.#underlay.enforceMtu && !entry.admitted ? misfit.reason : "";
  }

  #misfit({ vif, local }: PortEntry): Misfit | undefined {
    if (vif === null || local === null) return undefined;
    return misfitOf(this.#underlay, this.#networks.get(local.networkKey), vif, local);
  }

  #failureOf(entry: PortEntry): string | undefined {
    if (entry.key === null || entry.local === null) return undefined;
    return (
      this.#failures.get(entry.key) ??
      this.#failures.get(`network/${entry.local.networkKey}/config`)
    );
  }

  #put(portId: string, change: Partial<PortEntry>): void {
    const before = this.#ports.get(portId) ?? {
      portId,
      key: null,
      local: null,
      vif: null,
      generation: 0n,
      refusal: "",
      admitted: false,
      programmed: false,
      awaits: null,
      reported: null,
    };
    const after = { ...before, ...change };
    // Barred, it loses its flows: they are waited for when it fits again.
    const programmed = after.programmed && this.#barred(after) === "";
    this.#ports.set(portId, { ...after, programmed });
    this.#changed.add(portId);
  }
}

function report(
  portId: string,
  state: PortState,
  reason: string,
  generation: bigint,
  mtuBytes: number,
): PortReport {
  return { portId, state, reason, generation, mtuBytes };
}

function sameReport(a: PortReport | null, b: PortReport): boolean {
  return (
    a !== null &&
    a.state === b.state &&
    a.reason === b.reason &&
    a.generation === b.generation &&
    a.mtuBytes === b.mtuBytes
  );
}
