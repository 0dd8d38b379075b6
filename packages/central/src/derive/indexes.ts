// The indexes that derivation reads: each a pure projection of one row to (group, member) pairs. Data only; kept by engine.ts.
// A member names its row, so that no two rows give the same pair.

import { chassisBlock } from "@weft/shared/net/vni.ts";
import { ipToHex } from "@weft/shared/net/ip.ts";
import { innerMtuBytes } from "@weft/shared/net/mtu.ts";
import type { Index, IndexName } from "./spec.ts";

type Emit = (group: string, member: string) => void;

/** Chassis keys have at most five digits: padded, text order is number order. */
const paddedKey = (chassisKey: string): string => chassisKey.padStart(5, "0");

/** Key of a row, decimal -> its id. */
function byKey(
  table: "network" | "port" | "chassis" | "router" | "route" | "policy-route" | "route-leak",
): Index {
  return {
    table,
    entries: (id: string, row: { readonly key: number }, emit: Emit) => emit(String(row.key), id),
  };
}

/** Names say what is grouped, by what. */
export const indexes: Readonly<Record<IndexName, Index>> = {
  networkByKey: byKey("network"),
  portByKey: byKey("port"),
  chassisByKey: byKey("chassis"),
  routerByKey: byKey("router"),
  routeByKey: byKey("route"),
  policyByKey: byKey("policy-route"),
  leakByKey: byKey("route-leak"),
  /** Network id -> subnet ids. */
  subnetByNetwork: {
    table: "subnet",
    entries: (id, row, emit) => emit(row.network, id),
  },
  /** `<network id> <ip>` -> ports that own the address. */
  portByFixedIp: {
    table: "port",
    entries: (id, row, emit) => {
      for (const fixed of row.fixedIps) emit(`${row.network} ${fixed.ip}`, id);
    },
  },
  /** Encapsulation type -> `<inner MTU, 5 digits> <chassis id>`: the first is the smallest. */
  chassisByInnerMtu: {
    table: "chassis",
    entries: (id, row, emit) => {
      for (const encap of row.encaps) {
        const mtuBytes = innerMtuBytes(encap);
        if (mtuBytes !== undefined)
          emit(String(encap.type), `${String(mtuBytes).padStart(5, "0")} ${id}`);
      }
    },
  },
  /** "" -> chassis that others refuse. */
  fencedChassis: {
    table: "liveness",
    entries: (id, row, emit) => {
      if (row.state === "fenced") emit("", id);
    },
  },
  /** `<network key>/<chassis key>` -> located ports of an overlay with port security off. */
  openPorts: {
    table: "located",
    entries: (id, row, emit) => {
      if (row.portSecurity || row.vtepIp === null) return;
      emit(`${row.networkKey}/${row.chassisKey}`, id);
    },
  },
  /** `<network key>/<ip in hex>` -> id of the claim that holds. */
  claimByAddress: {
    table: "claimed",
    entries: (id, row, emit) => emit(`${row.networkKey}/${ipToHex(row.ip)}`, id),
  },
  /** Network key, and `<network key>/<block>` -> padded keys of the chassis with located ports. */
  chassisByNetwork: {
    table: "presence",
    entries: (key, _row, emit) => {
      const [network = "", chassis = ""] = key.split("/");
      emit(network, paddedKey(chassis));
      emit(`${network}/${chassisBlock(Number(chassis))}`, paddedKey(chassis));
    },
  },
  /** `<network id> <ip>` -> segments that hold the address, of routers that are down too. */
  interfaceByAddress: {
    table: "segment",
    entries: (id, row, emit) => {
      if (row.network === null) return;
      for (const { ip } of row.addresses) emit(`${row.network} ${ip}`, id);
    },
  },
  /** `<router key>/<network or link key>` -> segment. */
  segmentByKey: {
    table: "segment",
    entries: (id, row, emit) => {
      if (row.up) emit(`${row.routerKey}/${row.networkKey}`, id);
    },
  },
  /** Router id -> segments. */
  segmentByRouter: {
    table: "segment",
    entries: (id, row, emit) => {
      if (row.up) emit(row.router, id);
    },
  },
  /** `<network id> <project>` -> segments of the routers of the project there. */
  segmentByNetwork: {
    table: "segment",
    entries: (id, row, emit) => {
      if (row.up && row.network !== null) emit(`${row.network} ${row.project}`, id);
    },
  },
  /** Network id -> leaks that name prefixes of it. */
  leakByNetwork: {
    table: "leak",
    entries: (id, row, emit) => {
      for (const cut of row.cuts) emit(cut.network, id);
    },
  },
};
