// The process behind fleet.ts: holds a Fleet of bench/sim and speaks by messages, one at a time. Started with fork() by fleet.ts.
//   -> prepare <- prepared     -> begin <- begun     -> stats <- stats     -> stop     and at any time <- lost

import { tlsFilesIn, TlsStore } from "@weft/shared/tls.ts";
import { join } from "node:path";
import { Fleet, type FleetStats, type SimulatedChassis } from "./sim/agents.ts";

export type ToFleet =
  | {
      readonly kind: "prepare";
      /** host:port of central's southbound listener. */
      readonly address: string;
      /** Holds a folder `chassis:<name>` for each. */
      readonly pkiDir: string;
      readonly chassis: readonly SimulatedChassis[];
    }
  | { readonly kind: "begin" | "stats" | "stop" };

export type FromFleet =
  | { readonly kind: "prepared" | "begun" }
  | { readonly kind: "stats"; readonly stats: FleetStats }
  | { readonly kind: "lost"; readonly chassis: string; readonly reason: string };

let fleet: Fleet | null = null;
const stores: TlsStore[] = [];

function tell(message: FromFleet): void {
  process.send?.(message);
}

function prepare({ address, pkiDir, chassis }: Extract<ToFleet, { kind: "prepare" }>): void {
  const logger = { info: () => {}, warn: () => {} };
  const credentials = new Map(
    chassis.map(({ name }) => {
      const files = tlsFilesIn(join(pkiDir, `chassis:${name}`));
      // Nobody replaces these while a run lasts: looking every hour is never.
      const store = new TlsStore({ files, logger, pollMs: 3_600_000 });
      stores.push(store);
      return [name, store.channelCredentials()] as const;
    }),
  );
  fleet = new Fleet({
    address,
    chassis,
    credentials: (name) => {
      const found = credentials.get(name);
      if (found === undefined) throw new Error(`no certificate for ${name}`);
      return found;
    },
    onLost: (name, reason) => tell({ kind: "lost", chassis: name, reason }),
  });
  tell({ kind: "prepared" });
}

process.on("message", (message: ToFleet) => {
  switch (message.kind) {
    case "prepare":
      return prepare(message);
    case "begin":
      return void fleet?.start().then(() => tell({ kind: "begun" }));
    case "stats":
      if (fleet !== null) tell({ kind: "stats", stats: fleet.stats });
      return;
    case "stop":
      fleet?.close();
      process.exit(0);
  }
});
// The measuring process is gone: so are we.
process.once("disconnect", () => process.exit(0));
