// presence: a chassis has located ports of an overlay, so that it is a target of broadcast there. Intermediate.

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const presence: DerivedTable<"presence"> = {
  name: "presence",
  sources: [
    {
      table: "located",
      keys: (_id, row) => (row.vtepIp === null ? [] : [`${row.networkKey}/${row.chassisKey}`]),
    },
  ],
  derive: (read, key) => read.count("openPorts", key) > 0,
  equal: equalValues,
};
