// routers-on: the routers of a project that are up and on a network. A row of its own, so that what else changes of an interface (its
// addresses, its subnets, its table) does not reach every chassis and every port of the network. Intermediate.

import type { DerivedTable, RouterOn } from "../spec.ts";

export const routersOn: DerivedTable<"routers-on"> = {
  name: "routers-on",
  sources: [
    {
      table: "segment",
      keys: (_id, { up, network, project }) =>
        up && network !== null ? [`${network} ${project}`] : [],
    },
  ],
  derive(read, key) {
    const routers = new Map<number, RouterOn>();
    for (const id of read.members("segmentByNetwork", key)) {
      const segment = read.row("segment", id);
      if (segment === undefined) continue;
      routers.set(segment.routerKey, { id: segment.router, key: segment.routerKey });
    }
    return [...routers.values()].sort((a, b) => a.key - b.key);
  },
  equal: (a, b) =>
    a.length === b.length && a.every(({ id, key }, at) => id === b[at]?.id && key === b[at].key),
};
