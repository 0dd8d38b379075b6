// Weft's side of the comparison: a cluster of the lab, topologies put in by Apply over gRPC, the guests plugged. Waits until every
// chassis has realized the change and every port that can be is UP. What a topology is in Weft says weft-objects.ts.

import { credentials } from "@grpc/grpc-js";
import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  ApplyRequest,
  type Change,
  EventType,
  type FailedInstruction,
  Kind,
  ListRequest,
  NorthboundServiceClient,
  NorthboundServiceService,
  type PortStatus,
  WaitLevel,
  WatchRequest,
  type WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { channelOptions, maxNorthboundBytes, RpcError, unary } from "@weft/shared/grpc.ts";
import { Cluster } from "../lab/cluster.ts";
import { until } from "../lab/ovs.ts";
import { Guests, type Side } from "./side.ts";
import { all, type Port, type Topology } from "./topology.ts";
import { weftChanges } from "./weft-objects.ts";

export interface WeftSideOptions {
  readonly prefix: string;
  readonly hosts: number;
  readonly say?: (text: string) => void;
}

const DEADLINE_MS = 20_000;

export class WeftSide implements Side {
  readonly name = "weft";
  readonly guests: Guests;
  readonly #cluster: Cluster;
  readonly #hosts: readonly string[];
  readonly #client: NorthboundServiceClient;
  readonly #watch: ClientReadableStream<WatchResponse>;
  readonly #statuses = new Map<string, PortStatus>();
  #watchError: Error | null = null;

  private constructor(cluster: Cluster, guests: Guests, hosts: readonly string[]) {
    this.#cluster = cluster;
    this.#hosts = hosts;
    this.guests = guests;
    const channel = channelOptions({ maxMessageBytes: maxNorthboundBytes });
    const { northbound } = cluster.central;
    this.#client = new NorthboundServiceClient(northbound, credentials.createInsecure(), channel);
    const request = WatchRequest.fromPartial({ kinds: [Kind.PORT], includeStatus: true });
    this.#watch = this.#client.watch(request);
    this.#watch.on("data", (event: WatchResponse) => this.#take(event));
    this.#watch.on("error", (error) => (this.#watchError = error));
  }

  static async start({ prefix, hosts: count, say }: WeftSideOptions): Promise<WeftSide> {
    const hosts = Array.from({ length: count }, (_, index) => `chassis-${index + 1}`);
    const cluster = await Cluster.start({
      ...{ prefix, chassis: hosts, localNorthbound: true, say: say ?? (() => {}) },
      // Cases follow one another with the same addresses.
      centralConfig: { ipam: { addressReuseAfterMs: 0 } },
    });
    try {
      const sideHosts = hosts.map((name) => cluster.one(name));
      for (const { name, ovs } of sideHosts) {
        await until(`bridge br-int of ${name}`, async () =>
          (await ovs.vsctl("list-br")).split("\n").includes("br-int"),
        );
      }
      return new WeftSide(cluster, await Guests.start(sideHosts, cluster.dir), hosts);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async change(tag: string, before: Topology, after: Topology): Promise<void> {
    await this.guests.unplug(after);
    const changes = weftChanges(tag, this.#hosts, before, after);
    if (changes.length > 0) await this.#apply(changes);
    await this.guests.plug(tag, before, after);
    const ports = all(after, "port").filter(({ up }) => up);
    await this.#untilPorts("be UP on their hosts", ports, tag, (port, status) => {
      const here = this.#hosts[port.host];
      return status.state === PortState.UP && status.chassis === here;
    });
    // Ports that came UP made instructions for the other chassis.
    await this.#inSync(tag, after);
  }

  async claim(tag: string, before: Topology, after: Topology): Promise<void> {
    if (!this.guests.claim(before, after)) return;
    const ports = all(after, "port").filter(({ claims, up }) => up && claims.length > 0);
    await this.#untilPorts("have claimed", ports, tag, (port, status) =>
      port.claims.every((ip) => status.claimedIps.includes(ip)),
    );
    await this.#inSync(tag, after);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.cancel();
    this.#client.close();
    await this.guests[Symbol.asyncDispose]();
    await this.#cluster.stop();
  }

  async #apply(changes: readonly Change[]): Promise<void> {
    const request = ApplyRequest.fromPartial({
      wait: WaitLevel.REALIZED,
      waitTimeoutMs: DEADLINE_MS,
    });
    request.changes = [...changes];
    const { realization } = await unary(this.#client, NorthboundServiceService.apply, request, {
      deadlineMs: DEADLINE_MS + 5_000,
    }).catch((error: unknown) => {
      if (!(error instanceof RpcError)) throw error;
      const lines = error.violations.map(({ field, description }) => `${field}: ${description}`);
      throw new Error([`Weft refuses: ${error.message}`, ...lines].join("\n"), { cause: error });
    });
    if (realization === undefined || !realization.complete || realization.failed.length > 0) {
      throw new Error(`Weft did not realize: ${JSON.stringify(realization)}`);
    }
  }

  /** Waits until every chassis has acked all that central has for it, without a failure. */
  async #inSync(tag: string, after: Topology): Promise<void> {
    const request = ListRequest.fromPartial({ kind: Kind.CHASSIS });
    let failures: readonly FailedInstruction[] = [];
    // What central said to a chassis about a port that it has no longer is said no more.
    const here = new Set(
      all(after, "port").map(({ id, host }) => `${this.#hosts[host]} port/${tag}${id}`),
    );
    const concerns = (chassis: string, { key }: FailedInstruction) =>
      !key.startsWith("port/") || here.has(`${chassis} ${key}`);
    const inSync = async () => {
      const { objects } = await unary(this.#client, NorthboundServiceService.list, request, {
        deadlineMs: DEADLINE_MS,
      });
      const chassis = objects.flatMap(({ object }) =>
        object?.$case === "chassis" ? [object.value] : [],
      );
      failures = chassis.flatMap(({ meta, status }) =>
        (status?.failed ?? []).filter((failure) => concerns(meta?.id ?? "", failure)),
      );
      return (
        failures.length === 0 &&
        chassis.every(
          ({ status }) => status?.pending === 0 && status.ackedSequence === status.sentSequence,
        )
      );
    };
    await until("every chassis to be in sync", inSync, DEADLINE_MS).catch((cause: unknown) => {
      throw new Error(`Weft is not in sync; what failed: ${JSON.stringify(failures)}`, { cause });
    });
  }

  async #untilPorts(
    what: string,
    ports: readonly Port[],
    tag: string,
    holds: (port: Port, status: PortStatus) => boolean,
  ): Promise<void> {
    const missing = () =>
      ports.filter((port) => {
        const status = this.#statuses.get(tag + port.id);
        return status === undefined || !holds(port, status);
      });
    const all_ = () => {
      if (this.#watchError !== null) throw this.#watchError;
      return missing().length === 0;
    };
    await until(`ports to ${what}`, all_, DEADLINE_MS).catch((cause: unknown) => {
      const lines = missing().map(({ id }) => {
        const status = this.#statuses.get(tag + id);
        return `${id}: state ${status?.state}, ${status?.chassis}, ${status?.reason}`;
      });
      throw new Error(`Weft's ports do not ${what}:\n${lines.join("\n")}`, { cause });
    });
  }

  #take({ type, object }: WatchResponse): void {
    if (object?.object?.$case !== "port") return;
    const { meta, status } = object.object.value;
    const id = meta?.id ?? "";
    if (type === EventType.DELETE || status === undefined) this.#statuses.delete(id);
    else this.#statuses.set(id, status);
  }
}
