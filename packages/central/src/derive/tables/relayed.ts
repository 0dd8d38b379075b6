// relayed: a network floods through relays. A row of its own, so that only crossing the limit reaches the instructions; the
// limit has no hysteresis, because then the result would depend on history. Intermediate.

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

/** More chassis with located ports than this, and a network is relayed. A group has at most 256 buckets. */
export const RELAY_ABOVE_CHASSIS = 200;

export const relayed: DerivedTable<"relayed"> = {
  name: "relayed",
  sources: [{ table: "presence", keys: (key) => [key.slice(0, key.indexOf("/"))] }],
  derive: (read, networkKey) => read.count("chassisByNetwork", networkKey) > RELAY_ABOVE_CHASSIS,
  equal: equalValues,
};
