import { describe, expect, test } from "vitest";
import { ApplyRequest, type Change } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  detachedNetwork,
  interfaceAdd,
  interfaceDelete,
  loadChanges,
  portAdd,
  portDelete,
  routeDelete,
} from "./changes.ts";
import {
  hostsOfRouters,
  localPortAdds,
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
    ...(k === 1 && { cidr6: "fd00:0:0:2::/64", gateway_ip6: "fd00:0:0:2::1" }),
    mtu: 1442,
    router: k === 2 ? null : "rtr-0",
    dhcp: k === 2 ? {} : null,
  })),
  ports: [
    port("port-10", "net-0", "ch-0000", "10.0.0.10"),
    { ...port("port-11", "net-1", "ch-0001", "10.0.1.10"), ip6: "fd00:0:0:2::a" },
    port("port-12", "net-2", "ch-0001", "10.0.2.10"),
  ],
  external_networks: [],
  routers: [
    {
      id: "rtr-0",
      interfaces: [
        { network: "net-0", mac: "0a:00:00:00:00:00" },
        { network: "net-1", mac: "0a:00:00:00:00:01" },
      ],
      external_gateway: {},
    },
  ],
  routes: [
    {
      ...{ id: "route-0", router: "rtr-0", destination: "192.168.0.0/24" },
      next_hops: ["10.0.0.10", "10.0.1.10"],
    },
  ],
  security_groups: [{ rules: [{}, {}] }, { rules: [{}] }],
  load_balancers: [],
  floating_ips: [{}],
  ops: {
    port_add_local: [],
    port_add_remote: [],
    router_interface_add: [
      {
        router: "rtr-0",
        network: {
          ...{ id: "net-3", cidr: "10.0.3.0/24", gateway_ip: "10.0.3.1", mtu: 1442, router: null },
          ...{ cidr6: null, gateway_ip6: null },
        },
        ports: [port("port-13", "net-3", "ch-0000", "10.0.3.10")],
        interface: { network: "net-3", mac: "0a:00:00:00:00:03" },
      },
    ],
  },
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
      "subnet sub6-net-1 rtr-0",
      "subnet sub-net-2 default",
      "port port-10 rtr-0",
      "port port-11 rtr-0",
      "port port-12 default",
      "router rtr-0 rtr-0",
      "routerInterface rif-net-0 rtr-0",
      "routerInterface rif-net-1 rtr-0",
      "route route-0 rtr-0",
    ]);
  });

  test("keeps MTU, address, MAC and placement", () => {
    const objects = loadChanges(workload).map(({ change }) =>
      change?.$case === "upsert" ? change.value.object : undefined,
    );
    const [network] = objects;
    const found = objects.find((one) => one?.value.meta?.id === "port-11");
    expect(network?.$case === "network" && network.value.spec?.mtuBytes).toBe(1442);
    expect(found?.$case === "port" && found.value.spec).toMatchObject({
      network: "net-1",
      mac: "02:00:00:00:00:11",
      fixedIps: [
        { subnet: "sub-net-1", ip: "10.0.1.10" },
        { subnet: "sub6-net-1", ip: "fd00:0:0:2::a" },
      ],
      portSecurityDisabled: false,
      requestedChassis: "ch-0001",
    });
  });

  test("keeps MACs of interfaces and next hops of routes", () => {
    const specs = loadChanges(workload).flatMap(({ change }) => {
      const object = change?.$case === "upsert" ? change.value.object : undefined;
      return object?.$case === "routerInterface" || object?.$case === "route"
        ? [object.value.spec]
        : [];
    });
    expect(specs[1]).toMatchObject({ router: "rtr-0", network: "net-1", mac: "0a:00:00:00:00:01" });
    expect(specs[2]).toMatchObject({
      destination: "192.168.0.0/24",
      nextHops: [{ ip: "10.0.0.10" }, { ip: "10.0.1.10" }],
    });
  });
});

describe("an interface operation", () => {
  const [operation] = workload.ops.router_interface_add;
  if (operation === undefined) throw new Error("no operation");

  test("finds its network, with ports, in the router's project", () => {
    expect(outline(detachedNetwork(operation))).toEqual([
      "network net-3 rtr-0",
      "subnet sub-net-3 rtr-0",
      "port port-13 rtr-0",
    ]);
  });

  test("adds and deletes the same object", () => {
    expect(outline([interfaceAdd(operation), interfaceDelete(operation)])).toEqual([
      "routerInterface rif-net-3 rtr-0",
      "delete 6 rif-net-3",
    ]);
  });
});

test("hosts of a router are the chassis with a port in one of its networks", () => {
  expect(hostsOfRouters(workload)).toEqual(new Map([["rtr-0", new Set(["ch-0000", "ch-0001"])]]));
});

test("local ports are told apart by whether they bring a router that the chassis does not hold", () => {
  const networks = workload.networks.map((network, k) => ({ ...network, router: `rtr-${k % 2}` }));
  const added = [
    port("port-20", "net-0", "ch-0000", "10.0.0.20"),
    port("port-21", "net-1", "ch-0000", "10.0.1.21"),
    port("port-22", "net-1", "ch-0000", "10.0.1.22"),
    port("port-23", "net-2", "ch-0000", "10.0.2.23"),
  ];
  const routers = [0, 1].map((k) => ({ id: `rtr-${k}`, interfaces: [] }));
  const ops = { ...workload.ops, port_add_local: added };
  const { staying, joining } = localPortAdds({ ...workload, networks, routers, ops });
  expect(staying.map(({ id }) => id)).toEqual(["port-20", "port-23"]);
  expect(joining.map(({ id }) => id)).toEqual(["port-21"]);
});

test("an added port of an unknown network is refused by name", () => {
  const add = portAdd(workload);
  expect(() => add(port("port-14", "net-9", "ch-0001", "10.0.9.9"))).toThrow(
    "port-14: no network net-9",
  );
});

test("a delete names the object by its id", () => {
  expect(outline([portDelete({ id: "port-10" })])).toEqual(["delete 3 port-10"]);
  expect(outline((workload.routes ?? []).map(routeDelete))).toEqual(["delete 7 route-0"]);
});

test("what is not known yet is counted, and only what there is", () => {
  expect(skippedOf(workload)).toEqual({
    "external gateways": 1,
    "security group rules": 3,
    "floating IPs": 1,
    "DHCP options": 1,
  });
});

describe("simulatedPorts", () => {
  const ports = simulatedPorts(workload, 50);

  test("are never on the real chassis, nor behind a router that it holds", () => {
    expect(new Set(ports.map(({ chassis }) => chassis))).toEqual(new Set(["ch-0001", "ch-0002"]));
    expect(new Set(ports.map(({ network }) => network))).toEqual(new Set(["net-2"]));
  });

  test("are in networks without a port of the real chassis where it holds every router", () => {
    const networks = workload.networks.map((network) => ({ ...network, router: "rtr-0" }));
    const all = simulatedPorts({ ...workload, networks }, 100);
    expect(new Set(all.map(({ network }) => network))).toEqual(new Set(["net-1", "net-2"]));
    expect(all[0]).toMatchObject({ ip: "10.0.1.200", ip6: "fd00:0:0:2::c8" });
    expect(all[1]?.ip6).toBeNull();
  });

  test("have ids, MACs and addresses of their own, inside their subnet", () => {
    for (const field of ["id", "mac", "ip"] as const) {
      expect(new Set(ports.map((one) => one[field])).size).toBe(50);
    }
    for (const { network, ip } of ports) {
      expect(ip.startsWith(`10.0.${network.slice(4)}.`)).toBe(true);
      expect(Number(ip.split(".")[3])).toBeLessThan(250);
    }
  });

  test("end where the free addresses end", () => {
    expect(() => simulatedPorts(workload, 51)).toThrow("do not fit");
  });
});
