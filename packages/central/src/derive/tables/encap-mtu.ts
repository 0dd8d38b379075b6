// encap-mtu: the largest inner packet that every chassis with an encapsulation carries. Intermediate: a chassis that does not
// lower the minimum stops here and costs no network anything.

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const encapMtu: DerivedTable<"encap-mtu"> = {
  name: "encap-mtu",
  sources: [
    { table: "chassis", keys: (_id, row) => row.encaps.map((encap) => String(encap.type)) },
  ],
  derive(read, type) {
    const smallest = read.first("chassisByInnerMtu", type);
    return smallest === undefined ? undefined : Number(smallest.slice(0, 5));
  },
  equal: equalValues,
};
