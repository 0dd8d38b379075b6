// subscription: who is told what, as pairs of chassis and scope. A chassis hears its own scope, network and flood of a network while
// a port of it is placed there, and the reach of the routers that its ports can use (hosted, reach): interest is typed and bounded,
// and it stops there. Pairs and not keys: there are a hundred thousand of them in a large cloud, and each would be text of its own.

import type { PairSource } from "../spec.ts";

export const subscription: readonly PairSource[] = [
  { table: "chassis", pairs: (id) => [[id, `chassis/${id}`]] },
  {
    table: "placement",
    pairs: (_id, { chassis, networkKey }) => [
      [chassis, `network/${networkKey}`],
      [chassis, `flood/${networkKey}`],
    ],
  },
  {
    table: "hears",
    pairs: (key, scopes) => {
      const chassis = key.slice(0, key.indexOf(" "));
      return scopes.map((scope) => [chassis, scope] as const);
    },
  },
];
