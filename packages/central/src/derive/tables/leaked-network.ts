// leaked-network: a leak names prefixes of the network. A row of its own, so that only the first leak and the last one reach the
// ports of the network, and a network without leaks costs none. Intermediate.

import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const leakedNetwork: DerivedTable<"leaked-network"> = {
  name: "leaked-network",
  sources: [{ table: "leak", keys: (_id, row) => row.cuts.map((cut) => cut.network) }],
  derive: () => true,
  equal: equalValues,
};
