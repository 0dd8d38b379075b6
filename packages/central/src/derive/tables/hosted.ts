// hosted: a chassis hosts ports of a project on a network; the value are the routers of that project there, which its ports can use.
// A port on a shared provider network so leads to routers of its own project alone. Intermediate: a second port of the same
// network and project on the chassis derives nothing.

import { equalStrings } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const hosted: DerivedTable<"hosted"> = {
  name: "hosted",
  sources: [
    {
      table: "placement",
      keys: (_id, { chassis, network, project }) => [`${chassis} ${network} ${project}`],
    },
  ],
  derive(read, key) {
    const routers = read.row("routers-on", key.slice(key.indexOf(" ") + 1));
    return routers?.map(({ id }) => id).sort();
  },
  equal: equalStrings,
};
