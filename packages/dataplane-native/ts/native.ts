// Loads the compiled Rust addon and gives it its types. Owns the path of `dataplane.node`; must do
// no work of its own. Called by index.ts, which is what other packages import.
import { createRequire } from "node:module";
import { NativeUnavailableError } from "./errors.ts";

/** What crates/binding exports, one member per `#[napi]` item. */
export interface NativeBinding {
  engineVersion(): string;
  Dataplane: {
    open(options: NativeOptions, onEvent: (event: NativeEvent) => void): NativeDataplane;
  };
}

/** `null`: the engine's default. */
export interface NativeOptions {
  mgmtSocket: string;
  maxTickets: number | null;
  maxQueuedBytes: number | null;
  bundleFlows: number | null;
  checkIntervalMs: number | null;
  reconnectMaxMs: number | null;
}

export interface NativeDataplane {
  submit(batch: Uint8Array): bigint;
  allowPrune(): void;
  portFlows(portKey: number): Promise<NativePortFlow[]>;
  trace(request: NativeTraceRequest): Promise<NativeTraced>;
  stats(): NativeStats;
  close(): Promise<void>;
}

/** `kind` names the one member that is not `null`. */
export interface NativeEvent {
  kind: string;
  completed: NativeCompleted | null;
  connection: { connected: boolean; reason: string } | null;
  drift: { repaired: number } | null;
  claim: { portId: string; ip: number[]; mac: number[] } | null;
}

export interface NativeCompleted {
  ticket: bigint;
  failures: { key: string; reason: string }[];
  flows: number;
  groups: number;
  meters: number;
}

export interface NativePortFlow {
  key: string;
  cookie: bigint;
  text: string;
}

/** `value`: hexadecimal with 0x. */
export interface NativeField {
  name: string;
  value: string;
}

export interface NativeTraceRequest {
  inPort: number;
  fields: NativeField[];
  lengthBytes: number | null;
  hash: number;
}

export interface NativeTraceStep {
  table: number;
  tableName: string;
  depth: number;
  priority: number | null;
  matching: string;
  actions: string;
  cookie: bigint;
  key: string;
  drops: boolean;
}

/** `kind` names the one member that is not `null`; "withheld" and "controller" have none and `service`. */
export interface NativeTraceEvent {
  kind: string;
  step: NativeTraceStep | null;
  output: { port: number; fields: NativeField[] } | null;
  service: string | null;
  bucket: { group: number; bucket: number; ids: number[]; members: number } | null;
}

export interface NativeTraced {
  packet: string;
  events: NativeTraceEvent[];
  cut: boolean;
  lookups: { table: number; priority: number | null; cookie: bigint }[];
  problem: string;
}

export interface NativeStats {
  connected: boolean;
  connects: number;
  openTickets: number;
  flows: number;
  groups: number;
  meters: number;
  failing: number;
  leftovers: number;
  bundles: number;
  messagesSent: number;
  driftRepaired: number;
  packetIns: number;
  packetOuts: number;
  packetInsDropped: number;
  eventsDropped: number;
  strayErrors: number;
  lastReason: string;
}

const load = createRequire(import.meta.url);
/** Found by its package, because this file is also part of the agent's bundle, which lies elsewhere. */
const builtAddon = "@weft/dataplane-native/dataplane.node";

/** Loads the addon (a path, or a file of a package); throws NativeUnavailableError with the way out. */
export function loadNative(addon: string = builtAddon): NativeBinding {
  try {
    return load(addon) as NativeBinding;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    const problem = isMissing ? "is missing" : `does not load into Node ${process.version}`;
    throw new NativeUnavailableError(`${addon} ${problem}: run scripts/build-native`, { cause });
  }
}
