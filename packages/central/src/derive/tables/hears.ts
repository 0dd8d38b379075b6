// hears: a chassis hosts ports that can use a router, over however many of its networks: one row for all of them, so that a change of
// the router's reach costs each chassis once. Intermediate.

import { equalStrings } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const hears: DerivedTable<"hears"> = {
  name: "hears",
  sources: [
    {
      table: "hosted",
      keys: (key, routers) => {
        const chassis = key.slice(0, key.indexOf(" "));
        return routers.map((router) => `${chassis} ${router}`);
      },
    },
  ],
  derive: (read, key) => read.row("reach", key.slice(key.indexOf(" ") + 1)),
  equal: equalStrings,
};
