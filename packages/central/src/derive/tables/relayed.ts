// relayed: a network floods through relays. A row of its own, so that only crossing the limit reaches the instructions; the
// limit has no hysteresis, because then the result would depend on history. Never for VXLAN and GRE, which have no room to say
// "relay this": their number of chassis is bounded where ports are bound (bindings/spread.ts). Intermediate.

import { MAX_FLOOD_CHASSIS, relays } from "../flood-limit.ts";
import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const relayed: DerivedTable<"relayed"> = {
  name: "relayed",
  sources: [{ table: "presence", keys: (key) => [key.slice(0, key.indexOf("/"))] }],
  derive: (read, networkKey) => {
    const id = read.first("networkByKey", networkKey);
    const encap = id === undefined ? undefined : read.row("network", id)?.encap;
    if (!encap || !relays(encap)) return false;
    return read.count("chassisByNetwork", networkKey) > MAX_FLOOD_CHASSIS;
  },
  equal: equalValues,
};
