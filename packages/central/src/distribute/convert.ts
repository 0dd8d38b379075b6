// Messages of agents in the words of the model. Pure. What cannot be read is left out: the rest of a message still counts.

import type { AddressClaim, PortReport } from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import { bytesToMac } from "@weft/shared/net/mac.ts";
import type { Claim } from "../bindings/claims.ts";
import type { Report } from "../bindings/placement.ts";
import type { BindingState } from "../model/rows.ts";

/** Longest text that an agent's reason may have. */
const MAX_REASON = 1024;

const STATES: Readonly<Partial<Record<PortState, BindingState>>> = {
  [PortState.PLUGGED]: "plugged",
  [PortState.PROGRAMMED]: "programmed",
  [PortState.UP]: "up",
};

export function toReport(report: PortReport): Report {
  return {
    portId: report.portId,
    state: STATES[report.state] ?? "down",
    reason: report.reason.slice(0, MAX_REASON),
    generation: report.generation,
    mtuBytes: report.mtuBytes,
  };
}

export function toClaims(claims: readonly AddressClaim[]): Claim[] {
  return claims
    .filter(({ ip, mac }) => (ip.length === 4 || ip.length === 16) && mac.length === 6)
    .map(({ portId, ip, mac, generation }) => ({
      portId,
      ip: bytesToIp(ip),
      mac: bytesToMac(mac),
      generation,
    }));
}
