// Local facts as instructions for the engine: which ofport an iface-id, a tunnel type or a physical network has here.
// Pure: keeps what was told last and answers the difference. Called by agent.ts whenever OVSDB changed.

import { type Instruction, InstructionBody } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { EncapType } from "@weft/shared/gen/weft/v1/types.ts";

export interface Facts {
  /** Interfaces with an iface-id and an ofport, one a port id. */
  readonly vifs: readonly { readonly portId: string; readonly ofport: number }[];
  readonly tunnels: readonly {
    readonly encap: EncapType;
    readonly ofport: number;
    /** 4 or 16 bytes each, sorted. */
    readonly localIps: readonly Buffer[];
  }[];
  readonly patches: readonly { readonly physicalNetwork: string; readonly ofport: number }[];
}

export interface FactsChange {
  readonly upserts: readonly Instruction[];
  readonly deletes: readonly string[];
}

export class LocalFacts {
  #told = new Map<string, Buffer>();

  /** The difference between these facts and those told before. */
  update(facts: Facts): FactsChange {
    const now = new Map(bodies(facts).map(([key, body]) => [key, encode(body)]));
    const upserts: Instruction[] = [];
    for (const [key, body] of now) {
      if (!this.#told.get(key)?.equals(body)) upserts.push({ key, body });
    }
    const deletes = [...this.#told.keys()].filter((key) => !now.has(key));
    this.#told = now;
    return { upserts, deletes };
  }
}

/** The port id of a key `local/vif/<port id>`; undefined for another key. */
export function vifOfKey(key: string): string | undefined {
  return key.startsWith(VIF) ? key.slice(VIF.length) : undefined;
}

const VIF = "local/vif/";

type Body = NonNullable<InstructionBody["body"]>;

function bodies(facts: Facts): [string, Body][] {
  return [
    ...facts.vifs.map((value): [string, Body] => [
      `${VIF}${value.portId}`,
      { $case: "localVif", value },
    ]),
    ...facts.tunnels.map((tunnel): [string, Body] => [
      `local/tunnel/${tunnel.encap}`,
      { $case: "localTunnel", value: { ...tunnel, localIps: [...tunnel.localIps] } },
    ]),
    ...facts.patches.map((value): [string, Body] => [
      `local/patch/${value.physicalNetwork}`,
      { $case: "localPatch", value },
    ]),
  ];
}

function encode(body: Body): Buffer {
  return Buffer.from(InstructionBody.encode({ body }).finish());
}
