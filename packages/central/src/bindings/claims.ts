// Addresses that only allowed pairs name, or nobody on a network with a router, and the port that claimed each last. Pure: time comes in. Bounded: so many addresses a
// port, and so many claims a second of a port; what is above is dropped and counted.

import { pairsAllow } from "../derive/address-pairs.ts";
import type { RowReader } from "../derive/spec.ts";
import type { ClaimRow, PortRow } from "../model/rows.ts";
import { VolatileTable } from "./changes.ts";

export interface Claim {
  readonly portId: string;
  /** Canonical text. */
  readonly ip: string;
  readonly mac: string;
  /** Raised by the agent with each claim of the port, anew with each stream and each binding. */
  readonly generation: bigint;
}

export interface ClaimsOptions {
  readonly rows: RowReader;
  /** True when a port of the network owns the address. */
  readonly isFixedIp: (network: string, ip: string) => boolean;
  /** True when a router connects a prefix of the network with the address: a port with port security off may hold it. */
  readonly isRouted: (network: string, ip: string) => boolean;
  readonly maxPerPort: number;
  /** Claims of one port: so many at once, and so many a second. */
  readonly burst: number;
  readonly perSecond: number;
}

interface PortClaims {
  readonly ids: Set<string>;
  /** Generation of the binding that the last claim came from: with another one the agent counts anew. */
  binding: bigint;
  generation: bigint;
  tokens: number;
  atMs: number;
}

export class Claims {
  readonly table = new VolatileTable("claim");
  readonly #options: ClaimsOptions;
  readonly #ports = new Map<string, PortClaims>();

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Takes rows of a checkpoint; those that the pairs do not allow any more are left out. Derivation judges all of them again. */
  load(rows: readonly ClaimRow[], nowMs: number): void {
    for (const row of rows) {
      const port = this.#options.rows.get("port", row.port);
      if (port?.network !== row.network || !mayHold(port, row)) continue;
      this.#known(port.id, nowMs).ids.add(row.id);
      this.table.put(row);
    }
  }

  /** A claim of a port that is bound where it comes from, with the generation of that binding. Answers why it does not count; undefined = it does. */
  claim(claim: Claim, binding: bigint, nowMs: number): string | undefined {
    const port = this.#options.rows.get("port", claim.portId);
    if (port === undefined) return "no such port";
    const isOpen = !port.portSecurity && this.#options.isRouted(port.network, claim.ip);
    if (!isOpen && !pairsAllow(port, claim.ip, claim.mac))
      return "no allowed address pair of the port covers it";
    if (this.#options.isFixedIp(port.network, claim.ip))
      return "it is a fixed address of a port or a router";
    const known = this.#known(port.id, nowMs);
    if (known.binding !== binding) Object.assign(known, { binding, generation: 0n });
    if (claim.generation <= known.generation) return "it is older than the last one of this port";
    if (!this.#spend(known, nowMs)) return "too many claims";
    known.generation = claim.generation;
    const id = `${port.network}/${claim.ip}`;
    const before = this.table.get(id);
    if (before?.port === port.id && before.mac === claim.mac) return undefined;
    if (before?.port !== port.id && known.ids.size >= this.#options.maxPerPort) {
      return `the port holds ${known.ids.size} claimed addresses already`;
    }
    if (before !== undefined) this.#ports.get(before.port)?.ids.delete(id);
    known.ids.add(id);
    const generation = (before?.generation ?? 0n) + 1n;
    const { ip, mac } = claim;
    this.table.put({ id, network: port.network, ip, mac, port: port.id, generation });
    return undefined;
  }

  /** Addresses that a port holds. */
  *ofPort(port: string): Generator<string> {
    for (const id of this.#ports.get(port)?.ids ?? []) {
      const row = this.table.get(id);
      if (row !== undefined) yield row.ip;
    }
  }

  /** The agent counts from the start again. */
  streamStarted(ports: Iterable<string>): void {
    for (const port of ports) {
      const known = this.#ports.get(port);
      if (known !== undefined) known.generation = 0n;
    }
  }

  /** The pairs of a port changed, or the port is gone: what it may not say any more is withdrawn. */
  portChanged(id: string, after: PortRow | undefined): void {
    const known = this.#ports.get(id);
    if (known === undefined) return;
    for (const claimId of known.ids) {
      const row = this.table.get(claimId);
      if (row !== undefined && after !== undefined && mayHold(after, row)) continue;
      known.ids.delete(claimId);
      this.table.delete(claimId);
    }
    if (after === undefined) this.#ports.delete(id);
  }

  #known(port: string, nowMs: number): PortClaims {
    let known = this.#ports.get(port);
    if (known === undefined) {
      known = {
        ids: new Set(),
        binding: 0n,
        generation: 0n,
        tokens: this.#options.burst,
        atMs: nowMs,
      };
      this.#ports.set(port, known);
    }
    return known;
  }

  #spend(known: PortClaims, nowMs: number): boolean {
    const { burst, perSecond } = this.#options;
    const earned = ((nowMs - known.atMs) / 1000) * perSecond;
    known.tokens = Math.min(burst, known.tokens + Math.max(0, earned));
    known.atMs = nowMs;
    if (known.tokens < 1) return false;
    known.tokens -= 1;
    return true;
  }
}

/** Of a port with port security off derivation judges again, with what routers connect then. */
function mayHold(port: PortRow, { ip, mac }: Pick<ClaimRow, "ip" | "mac">): boolean {
  return !port.portSecurity || pairsAllow(port, ip, mac);
}
