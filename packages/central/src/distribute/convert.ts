// Messages of agents in the words of the model. Pure. What cannot be read is left out: the rest of a message still counts.

import type {
  AddressClaim,
  InstructionFailure,
  PortReport,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import { bytesToMac } from "@weft/shared/net/mac.ts";
import type { Claim } from "../bindings/claims.ts";
import type { Report } from "../bindings/placement.ts";
import type { BindingState } from "../model/rows.ts";
import type { Failure } from "./realized.ts";

/** Longest text that an agent's reason may have. */
const MAX_REASON = 1024;
/** Longest other text of an agent that is kept or logged. */
export const MAX_TEXT = 256;
export const MAX_VERSION = 64;

/** Text of an agent, short enough to be kept, logged or sent back. */
export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}

const STATES: Readonly<Partial<Record<PortState, BindingState>>> = {
  [PortState.PLUGGED]: "plugged",
  [PortState.PROGRAMMED]: "programmed",
  [PortState.UP]: "up",
};

export function toReport(report: PortReport): Report {
  return {
    portId: report.portId,
    state: STATES[report.state] ?? "down",
    reason: clip(report.reason, MAX_REASON),
    generation: report.generation,
    mtuBytes: report.mtuBytes,
  };
}

export function toFailure({ key, reason }: InstructionFailure): Failure {
  return { key: clip(key, MAX_TEXT), reason: clip(reason, MAX_REASON) };
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
