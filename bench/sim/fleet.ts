// A Fleet in a process of its own, so that its CPU is not central's. Started with fork() by run.ts; talks by messages:
//   -> {kind: "start", address, tls, chassis}    <- {kind: "started", ms, stats} | {kind: "lost", chassis, reason}
//   -> {kind: "stats"}                           <- {kind: "stats", stats}        -> {kind: "stop"}

import { credentials } from "@grpc/grpc-js";
import { Fleet, type FleetStats, type SimulatedChassis } from "./agents.ts";

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export type ToFleet =
  | {
      readonly kind: "start";
      readonly address: string;
      /** PEM text; the same certificate for every chassis. */
      readonly tls: TlsFiles;
      readonly chassis: readonly SimulatedChassis[];
    }
  | { readonly kind: "stats" }
  | { readonly kind: "stop" };

export type FromFleet =
  | { readonly kind: "started"; readonly ms: number; readonly stats: FleetStats }
  | { readonly kind: "stats"; readonly stats: FleetStats }
  | { readonly kind: "lost"; readonly chassis: string; readonly reason: string };

let fleet: Fleet | undefined;

function tell(message: FromFleet): void {
  process.send?.(message);
}

async function start(order: Extract<ToFleet, { kind: "start" }>): Promise<void> {
  const pem = (text: string): Buffer => Buffer.from(text);
  const tls = credentials.createSsl(pem(order.tls.ca), pem(order.tls.key), pem(order.tls.cert));
  fleet = new Fleet({
    address: order.address,
    chassis: order.chassis,
    credentials: () => tls,
    onLost: (chassis, reason) => tell({ kind: "lost", chassis, reason }),
  });
  const from = performance.now();
  await fleet.start();
  tell({ kind: "started", ms: performance.now() - from, stats: fleet.stats });
}

process.on("message", (message: ToFleet) => {
  if (message.kind === "start") void start(message);
  else if (message.kind === "stats" && fleet !== undefined)
    tell({ kind: "stats", stats: fleet.stats });
  else if (message.kind === "stop") {
    fleet?.close();
    process.disconnect();
  }
});
