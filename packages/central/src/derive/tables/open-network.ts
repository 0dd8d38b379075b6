// open-network: an overlay has located ports with port security off, which may hold addresses that nobody told. A row of its own,
// so that only the first such port and the last one reach what reads it. Intermediate.

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const openNetwork: DerivedTable<"open-network"> = {
  name: "open-network",
  sources: [
    {
      table: "located",
      keys: (_id, row) => (row.portSecurity || row.vtepIp === null ? [] : [String(row.networkKey)]),
    },
  ],
  derive: () => true,
  equal: equalValues,
};
