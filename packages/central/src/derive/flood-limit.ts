// How many chassis one level of flooding reaches, and which encapsulations go beyond it through relays. Constants only; read by
// tables/relayed.ts and by bindings/spread.ts. Why: docs/adr/0003.

import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";

/** More chassis with ports of a network than this need relays. An OpenFlow group has at most 256 buckets. */
export const MAX_FLOOD_CHASSIS = 200;

/** True when packets say that they are to be relayed: only Geneve carries our option. */
export const relays = (encap: EncapType): boolean => encap === EncapType.GENEVE;
