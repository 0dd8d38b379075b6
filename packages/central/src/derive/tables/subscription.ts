// subscription: who is told what. A chassis hears its own scope, and the scope of a network while a port of it is placed there;
// nothing else leads from one object to another yet, so that interest stops at the network (design: typed and bounded).

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const subscription: DerivedTable<"subscription"> = {
  name: "subscription",
  sources: [
    { table: "chassis", keys: (id) => [`${id} chassis/${id}`] },
    { table: "placement", keys: (_id, row) => [`${row.chassis} network/${row.networkKey}`] },
  ],
  derive: () => true,
  equal: equalValues,
};
