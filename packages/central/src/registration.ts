// A chassis becomes a row: what its agent says in its Hello, through the same write path as every change. Made by central.ts and called
// by distribute for each stream.

import { WeftError } from "@weft/shared/errors.ts";
import type { Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import { isId } from "@weft/shared/ids.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import { renderDiagnostic } from "@weft/shared/diagnostics.ts";
import { maxEncapsPerChassis, maxPhysicalNetworksPerChassis } from "./model/limits.ts";
import type { ChassisRow } from "./model/rows.ts";
import type { Model } from "./model/tables.ts";
import type { Transactor } from "./store/transactor.ts";

export interface RegistrationOptions {
  readonly model: Model;
  readonly transactor: Transactor;
  readonly whole: () => Promise<void>;
}

const maxHostnameLength = 253;

/** Commits the row when it is new or differs. Rejects with WeftError (rejected) for a Hello that cannot be one. */
export async function registerChassis(
  options: RegistrationOptions,
  hello: Hello,
): Promise<ChassisRow> {
  const { model, transactor, whole } = options;
  const said = readHello(hello);
  const id = hello.chassis;
  const answer = await transactor.run(
    {
      actor: `chassis/${id}`,
      comment: "registered",
      dryRun: false,
      expectedRevision: 0n,
      idempotency: null,
    },
    () => [
      {
        action: "edit",
        table: "chassis",
        at: "chassis",
        id,
        change: (row) => ({ ...(row ?? newRow(id)), ...said }),
      },
    ],
  );
  if (answer.kind === "refused") {
    throw new WeftError("rejected", answer.problems.map(renderDiagnostic).join("; "));
  }
  await whole();
  const row = model.get("chassis", id);
  if (row === undefined) {
    throw new WeftError("transient", `chassis ${id} was deleted while it registered`);
  }
  return row;
}

type Said = Pick<ChassisRow, "hostname" | "encaps" | "physicalNetworks">;

function readHello(hello: Hello): Said {
  const refuse = (text: string): WeftError => new WeftError("rejected", `chassis: ${text}`);
  if (!isId(hello.chassis)) throw refuse("the name is not valid");
  if (hello.hostname.length > maxHostnameLength) throw refuse("the hostname is too long");
  if (hello.encaps.length > maxEncapsPerChassis) {
    throw refuse(`${hello.encaps.length} encaps, at most ${maxEncapsPerChassis}`);
  }
  if (hello.physicalNetworks.length > maxPhysicalNetworksPerChassis) {
    throw refuse(`more than ${maxPhysicalNetworksPerChassis} physical networks`);
  }
  const encaps = hello.encaps.map(({ type, ip, underlayMtuBytes }) => {
    if (ip.length !== 4 && ip.length !== 16) throw refuse("a tunnel address has 4 or 16 bytes");
    return { type, ip: bytesToIp(ip), underlayMtuBytes };
  });
  for (const name of hello.physicalNetworks) {
    if (!isId(name)) throw refuse(`"${name.slice(0, 80)}" is not the name of a physical network`);
  }
  return {
    hostname: hello.hostname,
    encaps: encaps.sort((a, b) => a.type - b.type || (a.ip < b.ip ? -1 : 1)),
    physicalNetworks: [...new Set(hello.physicalNetworks)].sort(),
  };
}

function newRow(id: string): ChassisRow {
  return {
    id,
    project: "",
    name: id,
    labels: {},
    revision: 0n,
    createdAtMs: 0,
    updatedAtMs: 0,
    key: 0,
    drain: false,
    lost: false,
    hostname: "",
    encaps: [],
    physicalNetworks: [],
  };
}
