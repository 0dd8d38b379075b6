// Which chassis are alive, judged by when they were last heard. Pure: time comes in.
//
//   alive --lease passed--> unreachable --staleAfter passed--> fenced --in sync--> alive
//     ^---------heard-----------'           declared lost ------^
//
// Bindings of an unreachable or fenced chassis stay: its ports may well go on forwarding.

import type { LivenessRow } from "../model/rows.ts";
import { VolatileTable } from "./changes.ts";

export interface LivenessOptions {
  readonly leaseMs: number;
  readonly staleAfterMs: number;
}

interface Heard {
  atMs: number;
  lost: boolean;
}

export class Liveness {
  readonly table = new VolatileTable("liveness");
  readonly #options: LivenessOptions;
  readonly #heard = new Map<string, Heard>();

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** A chassis that exists; it counts as heard now. */
  add(chassis: string, lost: boolean, nowMs: number): void {
    this.#heard.set(chassis, { atMs: nowMs, lost });
    this.#set(chassis, lost ? "fenced" : "alive");
  }

  /** An earlier life fenced it. */
  fence(chassis: string): void {
    this.#set(chassis, "fenced");
  }

  remove(chassis: string): void {
    this.#heard.delete(chassis);
    this.table.delete(chassis);
  }

  setLost(chassis: string, lost: boolean): void {
    const heard = this.#heard.get(chassis);
    if (heard === undefined) return;
    heard.lost = lost;
    // Not lost any more: fenced until it is in sync.
    if (lost) this.#set(chassis, "fenced");
  }

  isLost(chassis: string): boolean {
    return this.#heard.get(chassis)?.lost ?? false;
  }

  /** A message of the chassis came. True = it is alive again. */
  heard(chassis: string, nowMs: number): boolean {
    const heard = this.#heard.get(chassis);
    if (heard === undefined) return false;
    heard.atMs = nowMs;
    if (this.table.get(chassis)?.state !== "unreachable") return false;
    this.#set(chassis, "alive");
    return true;
  }

  /** The chassis holds everything it should: a fenced one may come back. True = it is alive again. */
  inSync(chassis: string, nowMs: number): boolean {
    const isBack = this.heard(chassis, nowMs);
    if (this.isLost(chassis) || this.isAlive(chassis)) return isBack;
    this.#set(chassis, "alive");
    return this.isAlive(chassis);
  }

  chassis(): Iterable<string> {
    return this.#heard.keys();
  }

  isAlive(chassis: string): boolean {
    return this.table.get(chassis)?.state === "alive";
  }

  /** Time goes on: answers the chassis that became unreachable. */
  tick(nowMs: number): string[] {
    const unreachable: string[] = [];
    for (const [chassis, { atMs }] of this.#heard) {
      const state = this.table.get(chassis)?.state;
      const silentMs = nowMs - atMs;
      if (state === "alive" && silentMs > this.#options.leaseMs) {
        this.#set(chassis, "unreachable");
        unreachable.push(chassis);
      }
      if (state !== "fenced" && silentMs > this.#options.staleAfterMs) this.#set(chassis, "fenced");
    }
    return unreachable;
  }

  #set(id: string, state: LivenessRow["state"]): void {
    if (this.#heard.has(id) && this.table.get(id)?.state !== state) this.table.put({ id, state });
  }
}
