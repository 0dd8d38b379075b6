import { describe, expect, test } from "vitest";
import { ApplyRequest, type Change } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  loadChanges,
  portAdd,
  portDelete,
  simulatedPorts,
  skippedOf,
  type Workload,
  type WorkloadPort,
} from "./workload.ts";

const port = (id: string, network: string, chassis: string, ip: string): WorkloadPort => ({
  ...{ id, network, chassis, ip, mac: `02:00:00:00:00:${id.slice(-2)}`, port_security: true },
});

const workload: Workload = {
  name: "T",
  params: { chassis: 3, networks: 3, ports: 2 },
  chassis: [
    { name: "ch-0000", ip: "172.31.0.1", real: true },
    { name: "ch-0001", ip: "172.31.0.2", real: false },
    { name: "ch-0002", ip: "172.31.0.3", real: false },
  ],
  networks: [0, 1, 2].map((k) => ({
    id: `net-${k}`,
    cidr: `10.0.${k}.0/24`,
    gateway_ip: `10.0.${k}.1`,
    mtu: 1442,
    router: k === 2 ? null : "rtr-0",
  })),
  ports: [
    port("port-10", "net-0", "ch-0000", "10.0.0.10"),
    port("port-11", "net-2", "ch-0001", "10.0.2.10"),
  ],
  external_networks: [],
  routers: [{}],
  security_groups: [{ rules: [{}, {}] }, { rules: [{}] }],
  load_balancers: [],
  floating_ips: [{}],
  ops: { port_add_local: [], port_add_remote: [] },
};

/** Kind, id and project of each change; throws what gRPC would throw on a message that does not encode. */
function outline(changes: readonly Change[]): string[] {
  const { changes: decoded } = ApplyRequest.decode(
    ApplyRequest.encode(ApplyRequest.fromPartial({ changes: [...changes] })).finish(),
  );
  return decoded.map(({ change }) => {
    if (change?.$case !== "upsert") return `delete ${change?.value.kind} ${change?.value.id}`;
    const { object } = change.value;
    return `${object?.$case} ${object?.value.meta?.id} ${object?.value.meta?.project}`;
  });
}

describe("loadChanges", () => {
  test("puts what is referred to first, each object in its tenant's project", () => {
    expect(outline(loadChanges(workload))).toEqual([
      "network net-0 rtr-0",
      "network net-1 rtr-0",
      "network net-2 default",
      "subnet sub-net-0 rtr-0",
      "subnet sub-net-1 rtr-0",
      "subnet sub-net-2 default",
      "port port-10 rtr-0",
      "port port-11 default",
    ]);
  });

  test("keeps MTU, address, MAC and placement", () => {
    const objects = loadChanges(workload).map(({ change }) =>
      change?.$case === "upsert" ? change.value.object : undefined,
    );
    const [network] = objects;
    const last = objects.at(-1);
    expect(network?.$case === "network" && network.value.spec?.mtuBytes).toBe(1442);
    expect(last?.$case === "port" && last.value.spec).toMatchObject({
      network: "net-2",
      mac: "02:00:00:00:00:11",
      fixedIps: [{ subnet: "sub-net-2", ip: "10.0.2.10" }],
      portSecurityDisabled: false,
      requestedChassis: "ch-0001",
    });
  });
});

test("an added port of an unknown network is refused by name", () => {
  const add = portAdd(workload);
  expect(() => add(port("port-12", "net-9", "ch-0001", "10.0.9.9"))).toThrow(
    "port-12: no network net-9",
  );
});

test("a delete names the port by its id", () => {
  expect(outline([portDelete({ id: "port-10" })])).toEqual(["delete 3 port-10"]);
});

test("what is not known yet is counted, and only what there is", () => {
  expect(skippedOf(workload)).toEqual({ routers: 1, "security group rules": 3, "floating IPs": 1 });
});

describe("simulatedPorts", () => {
  const ports = simulatedPorts(workload, 100);

  test("are never on the real chassis, nor in a network that it hosts", () => {
    expect(new Set(ports.map(({ chassis }) => chassis))).toEqual(new Set(["ch-0001", "ch-0002"]));
    expect(new Set(ports.map(({ network }) => network))).toEqual(new Set(["net-1", "net-2"]));
  });

  test("have ids, MACs and addresses of their own, inside their subnet", () => {
    for (const field of ["id", "mac", "ip"] as const) {
      expect(new Set(ports.map((one) => one[field])).size).toBe(100);
    }
    for (const { network, ip } of ports) {
      expect(ip.startsWith(`10.0.${network.slice(4)}.`)).toBe(true);
      expect(Number(ip.split(".")[3])).toBeLessThan(250);
    }
  });

  test("end where the free addresses end", () => {
    expect(() => simulatedPorts(workload, 101)).toThrow("do not fit");
  });
});
