// Objects as callers see them: a row with its status, which comes from the pools, the volatile rows and the southbound side. Reads
// only. Used by every service.

import type {
  Chassis,
  Network,
  Object as ObjectMessage,
  Port,
  Subnet,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { Liveness } from "@weft/shared/gen/weft/v1/northbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import type {
  BindingState,
  ChassisRow,
  DurableTableName,
  LivenessRow,
  NetworkRow,
  PortRow,
  Rows,
  SubnetRow,
} from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { fromChassis, fromNetwork, fromPort, fromSubnet } from "./convert.ts";
import { pastRoutingObject, RoutingObjects } from "./objects-routing.ts";
import type { RoutingRow } from "./objects-routing.ts";
import type { South } from "./south.ts";

export interface PoolStatistics {
  readonly total: bigint;
  readonly used: bigint;
  readonly quarantined: bigint;
}

export interface ObjectsOptions {
  readonly model: Model;
  readonly south: South;
  readonly statistics: (subnet: SubnetRow) => PoolStatistics;
  /** Id of the port that has a fixed address in a network; may be ahead of the model. */
  readonly portWithIp: (network: string, ip: string) => string | undefined;
}

const portStates: Readonly<Record<BindingState, PortState>> = {
  down: PortState.DOWN,
  plugged: PortState.PLUGGED,
  programmed: PortState.PROGRAMMED,
  up: PortState.UP,
};

const livenesses: Readonly<Record<LivenessRow["state"], Liveness>> = {
  alive: Liveness.ALIVE,
  unreachable: Liveness.UNREACHABLE,
  fenced: Liveness.FENCED,
};

const maxCount = 2n ** 63n - 1n;

export class Objects {
  readonly #model: Model;
  readonly #south: South;
  /** By chassis. */
  readonly #waits = new Map<string, string>();
  readonly #statistics: ObjectsOptions["statistics"];
  readonly #routing: RoutingObjects;

  constructor(options: ObjectsOptions) {
    this.#model = options.model;
    this.#south = options.south;
    this.#statistics = options.statistics;
    this.#routing = new RoutingObjects({
      ...options,
      portReason: (port) => this.portReason(port),
    });
  }

  /** The object of a row that is in the model now. */
  object(table: DurableTableName, row: Rows[DurableTableName]): ObjectMessage {
    switch (table) {
      case "network":
        return { object: { $case: "network", value: this.network(row as NetworkRow) } };
      case "subnet":
        return { object: { $case: "subnet", value: this.subnet(row as SubnetRow) } };
      case "port":
        return { object: { $case: "port", value: this.port(row as PortRow) } };
      case "chassis":
        return { object: { $case: "chassis", value: this.chassis(row as ChassisRow) } };
      case "router":
      case "router-interface":
      case "route":
      case "policy-route":
      case "router-link":
      case "route-leak":
        return this.#routing.object({ table, row } as RoutingRow);
    }
  }

  /** The object of a row of the past, or of a deleted one: what it was given, without what it was doing. */
  pastObject(table: DurableTableName, row: Rows[DurableTableName]): ObjectMessage {
    switch (table) {
      case "network": {
        const { key } = row as NetworkRow;
        const status = { key, mtuBytes: 0, ports: 0 };
        return { object: { $case: "network", value: fromNetwork(row as NetworkRow, status) } };
      }
      case "subnet":
        return { object: { $case: "subnet", value: fromSubnet(row as SubnetRow, undefined) } };
      case "port": {
        const status = { ...emptyPortStatus, key: (row as PortRow).key };
        return { object: { $case: "port", value: fromPort(row as PortRow, status) } };
      }
      case "chassis":
        return { object: { $case: "chassis", value: fromChassis(row as ChassisRow, undefined) } };
      case "router":
      case "router-interface":
      case "route":
      case "policy-route":
      case "router-link":
      case "route-leak":
        return pastRoutingObject({ table, row } as RoutingRow);
    }
  }

  network(row: NetworkRow): Network {
    return fromNetwork(row, {
      key: row.key,
      mtuBytes: this.#south.networkMtu(row.id) ?? row.mtuBytes,
      ports: this.#model.count("portNetwork", row.id),
    });
  }

  subnet(row: SubnetRow): Subnet {
    const { total, used, quarantined } = this.#statistics(row);
    return fromSubnet(row, { total: total > maxCount ? maxCount : total, used, quarantined });
  }

  port(row: PortRow): Port {
    const binding = this.#model.get("binding", row.id);
    const claimedIps: string[] = [];
    for (const id of this.#model.members("claimPort", row.id)) {
      const claim = this.#model.get("claim", id);
      if (claim !== undefined) claimedIps.push(claim.ip);
    }
    return fromPort(row, {
      state: this.portState(row),
      reason: this.portReason(row),
      chassis: binding?.chassis ?? "",
      key: row.key,
      generation: binding?.generation ?? 0n,
      mtuBytes: this.#south.networkMtu(row.network) ?? 0,
      claimedIps: claimedIps.sort(),
    });
  }

  portState(row: PortRow): PortState {
    const binding = this.#model.get("binding", row.id);
    return binding === undefined ? PortState.DOWN : portStates[binding.state];
  }

  /** Why a port is not UP, with the way out; of one that is UP a warning, or empty. */
  portReason(row: PortRow): string {
    const binding = this.#model.get("binding", row.id);
    const where = `chassis ${binding?.chassis ?? ""}`;
    const alive = this.#model.get("liveness", binding?.chassis ?? "")?.state ?? "alive";
    // What its agent said last may be long ago.
    if (alive !== "alive")
      return `${where} is ${alive}: see that its agent runs and reaches central`;
    if (binding?.state === "up") {
      const waitingFor = this.#waitingFor(binding.chassis);
      return binding.reason || (waitingFor === "" ? "" : `${where} waits: ${waitingFor}`);
    }
    if (binding !== undefined && binding.reason !== "") return binding.reason;
    const attach = `attach an interface with external_ids:iface-id=${row.id}`;
    if (binding === undefined || binding.state === "down") {
      return row.requestedChassis === null
        ? `no chassis has plugged port ${row.name}: ${attach}`
        : `chassis ${row.requestedChassis} has not plugged port ${row.name}: ${attach} there, and see that its agent runs`;
    }
    if (binding.state === "plugged") return `${where} is installing the flows of port ${row.name}`;
    if (!row.adminUp)
      return `port ${row.name} is administratively down: apply it without adminDown`;
    return `the device of port ${row.name} on ${where} is not there or has no carrier: start the guest`;
  }

  /** Kept for one turn of the event loop: a page of ports asks for the same few chassis, and their status is counted anew each time. */
  #waitingFor(chassis: string): string {
    let known = this.#waits.get(chassis);
    if (known === undefined) {
      if (this.#waits.size === 0) setImmediate(() => this.#waits.clear());
      known = this.#south.chassisStatus(chassis).waitingFor;
      this.#waits.set(chassis, known);
    }
    return known;
  }

  chassis(row: ChassisRow): Chassis {
    const alive = this.#model.get("liveness", row.id)?.state;
    return fromChassis(row, {
      ...this.#south.chassisStatus(row.id),
      key: row.key,
      liveness: alive === undefined ? Liveness.UNSPECIFIED : livenesses[alive],
    });
  }
}

const emptyPortStatus = {
  state: PortState.UNSPECIFIED,
  reason: "",
  chassis: "",
  key: 0,
  generation: 0n,
  mtuBytes: 0,
  claimedIps: [],
};
