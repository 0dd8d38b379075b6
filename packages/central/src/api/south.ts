// What the northbound side asks of the southbound side. Types only; central.ts joins them with distribute/, bindings/ and derive/.

import type {
  ChassisFailure,
  ChassisStatus,
  Realization,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ScopeSize } from "./audience.ts";

/** How far a chassis is; what a chassis without a session has is 0 and empty. */
export type ChassisProgress = Omit<ChassisStatus, "key" | "liveness">;

export interface South {
  readonly epoch: bigint;
  /** Last sequence derived. */
  readonly sequence: bigint;
  /** Derived MTU of a network; undefined = not derived (yet). */
  networkMtu(network: string): number | undefined;
  /** Chassis that hold a router now, in no particular order. */
  routerChassis(routerKey: number): Iterable<string>;
  /** The scopes that somebody is told, in no particular order. */
  scopeSizes(): Iterable<ScopeSize>;
  /** Where an instruction fails now. */
  failures(key: string): readonly ChassisFailure[];
  chassisStatus(chassis: string): ChassisProgress;
  realized(options: {
    revision: bigint;
    timeoutMs: number;
    signal: AbortSignal;
  }): Promise<Realization>;
  /** Asks the agent of a chassis; answers its JSON. Rejects with WeftError. */
  query(chassis: string, text: string, signal: AbortSignal): Promise<string>;
  /** False when the chassis waits for nothing. */
  adopt(chassis: string): boolean;
  /** Derives again from scratch, in slices: each yields differences found since the last. */
  verify(): Generator<readonly string[], void, void>;
  /** Keys that verify() looks at. */
  readonly derivedKeys: number;
}
