// Who may have a stream, and who must wait for an operator first. Pure: judged from the hello, the certificate and the row.

import type { Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { ChassisRow } from "../model/rows.ts";
import { clip, MAX_TEXT } from "./convert.ts";

/** Why the stream is refused; undefined = it is not. `identity`: the chassis that the peer's certificate names. */
export function refusalOf(hello: Hello, identity: string | undefined): string | undefined {
  if (hello.protocolVersion < 1) {
    const spoken = `protocol version ${hello.protocolVersion} is unknown`;
    return `${spoken}: central speaks 1, update the agent`;
  }
  const name = clip(hello.chassis, MAX_TEXT);
  if (identity === undefined) {
    return `the certificate names no chassis: issue one for ${name} with weft pki issue`;
  }
  if (identity === hello.chassis) return undefined;
  return `the certificate is of chassis ${identity}, not of ${name}`;
}

/** Why an operator must agree before this agent is told anything; undefined = nobody must. */
export function holdReason(
  { held }: Hello,
  row: ChassisRow,
  store: { readonly storeId: string; readonly revision: bigint },
): string | undefined {
  const wayOut = `if that is right, weft chassis adopt ${row.id}`;
  if (row.lost) return `it is declared lost: ${wayOut}`;
  if (held === undefined) return undefined;
  if (held.storeId !== store.storeId) {
    return `it holds instructions of store ${clip(held.storeId, MAX_TEXT)}, and this is ${store.storeId}: ${wayOut}`;
  }
  if (held.revision > store.revision) {
    const gap = `it holds revision ${held.revision}, and the store is at ${store.revision}`;
    return `${gap}, as after a restore: ${wayOut}`;
  }
  return undefined;
}
