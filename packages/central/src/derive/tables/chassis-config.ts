// chassis/<name>/config: what an agent must know of itself.

import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const chassisConfig: DerivedTable<"chassis-config"> = {
  name: "chassis-config",
  sources: [{ table: "chassis", keys: (id) => [`chassis/${id}/config`] }],
  derive(read, key) {
    const chassis = read.row("chassis", keySegment(key, 1));
    if (chassis === undefined) return undefined;
    return encodeBody({ $case: "chassisConfig", value: { chassisKey: chassis.key } });
  },
  equal: equalBytes,
};
