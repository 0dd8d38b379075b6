// A workload of bench/workloads as it is read, and what is asked of it: what Weft leaves out, who hosts what, and which ports an
// operation adds. changes.ts makes northbound changes of it. Pure. Called by run.ts, measure.ts, ovn.ts and the operations.

/** S to XL as they always were; SR and LR are S and L with IPv6 on half of the networks and five routes a router. */
export const sizes = ["S", "M", "L", "XL", "SR", "LR"] as const;
export type Size = (typeof sizes)[number];

/** The fields of a workload that are read here; bench/workloads/README.md describes all. */
export interface Workload {
  readonly name: string;
  readonly params: { readonly chassis: number; readonly networks: number; readonly ports: number };
  readonly chassis: readonly WorkloadChassis[];
  readonly networks: readonly WorkloadNetwork[];
  readonly ports: readonly WorkloadPort[];
  readonly routers: readonly WorkloadRouter[];
  /** SR and LR alone. */
  readonly routes?: readonly WorkloadRoute[];
  readonly external_networks: readonly unknown[];
  readonly security_groups: readonly { readonly rules: readonly unknown[] }[];
  readonly load_balancers: readonly unknown[];
  readonly floating_ips: readonly unknown[];
  readonly ops: {
    readonly port_add_local: readonly WorkloadPort[];
    readonly port_add_remote: readonly WorkloadPort[];
    readonly router_interface_add: readonly InterfaceOperation[];
    /** SR and LR alone; route_delete deletes the same. */
    readonly route_add?: readonly WorkloadRoute[];
  };
}

export interface WorkloadChassis {
  readonly name: string;
  readonly ip: string;
  readonly real: boolean;
}

export interface WorkloadNetwork {
  readonly id: string;
  readonly cidr: string;
  readonly gateway_ip: string;
  /** Second subnet; absent or null = there is none. */
  readonly cidr6?: string | null;
  readonly gateway_ip6?: string | null;
  readonly mtu: number;
  /** The router of the tenant; null = attached to none. */
  readonly router: string | null;
  readonly dhcp?: unknown;
}

export interface WorkloadPort {
  readonly id: string;
  readonly network: string;
  readonly mac: string;
  readonly ip: string;
  /** Address in the network's second subnet, where there is one. */
  readonly ip6?: string | null;
  readonly chassis: string;
  readonly port_security: boolean;
}

export interface WorkloadRouter {
  readonly id: string;
  readonly interfaces: readonly WorkloadInterface[];
  readonly external_gateway?: unknown;
}

/** Has the gateway address of each subnet of its network. */
export interface WorkloadInterface {
  readonly network: string;
  readonly mac: string;
}

export interface WorkloadRoute {
  readonly id: string;
  readonly router: string;
  readonly destination: string;
  /** Several = ECMP. */
  readonly next_hops: readonly string[];
}

/** A network with ports that an operation attaches to a router. */
export interface InterfaceOperation {
  readonly router: string;
  readonly network: WorkloadNetwork;
  readonly ports: readonly WorkloadPort[];
  readonly interface: WorkloadInterface;
}

/** Objects left out, by kind; a kind that the workload has none of is absent. */
export function skippedOf(workload: Workload): Readonly<Record<string, number>> {
  const counts = {
    "external networks": workload.external_networks.length,
    "external gateways": workload.routers.filter((router) => router.external_gateway).length,
    "security group rules": workload.security_groups.flatMap(({ rules }) => rules).length,
    "load balancers": workload.load_balancers.length,
    "floating IPs": workload.floating_ips.length,
    "DHCP options": workload.networks.filter(({ dhcp }) => dhcp).length,
  };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

/** Router -> chassis that have a port in one of its networks. */
export function hostsOfRouters(workload: Workload): ReadonlyMap<string, ReadonlySet<string>> {
  const hosts = new Map(workload.routers.map(({ id }) => [id, new Set<string>()]));
  const routerOf = new Map(workload.networks.map(({ id, router }) => [id, router]));
  for (const { network, chassis } of workload.ports) {
    const router = routerOf.get(network);
    if (router) hosts.get(router)?.add(chassis);
  }
  return hosts;
}

export interface LocalPortAdds {
  /** In networks whose router the real chassis holds already, or that have none. */
  readonly staying: readonly WorkloadPort[];
  /** Each brings the real chassis a router that it does not hold: one port a router. */
  readonly joining: readonly WorkloadPort[];
}

/** The ports of port_add_local by what they cost; a second port of a router that an earlier one brings is in neither. */
export function localPortAdds(workload: Workload): LocalPortAdds {
  const real = realChassis(workload).name;
  const hosts = hostsOfRouters(workload);
  const routerOf = new Map(workload.networks.map(({ id, router }) => [id, router]));
  const staying: WorkloadPort[] = [];
  const joining = new Map<string, WorkloadPort>();
  for (const port of workload.ops.port_add_local) {
    const router = routerOf.get(port.network);
    if (!router || hosts.get(router)?.has(real) === true) staying.push(port);
    else if (!joining.has(router)) joining.set(router, port);
  }
  return { staying, joining: [...joining.values()] };
}

/**
 * `count` new ports on simulated chassis, dealt evenly over networks and chassis: in networks that the real chassis has no port of,
 * and, where there are such, whose router it does not hold. Their addresses and MACs are used by nothing else in the workload.
 */
export function simulatedPorts(
  workload: Workload,
  count: number,
  prefix = "port-sim",
): WorkloadPort[] {
  const real = realChassis(workload).name;
  const others = workload.chassis.filter(({ name }) => name !== real);
  const networks = networksElsewhere(workload, real);
  if (networks.length === 0)
    throw new RangeError(`${workload.name}: every network has a port on ${real}`);
  if (count > networks.length * FREE_HOSTS) {
    throw new RangeError(
      `${workload.name}: ${count} ports do not fit into ${networks.length} networks`,
    );
  }
  return Array.from({ length: count }, (_, at) => {
    const network = networks[at % networks.length];
    const chassis = others[(at * CHASSIS_STRIDE) % others.length];
    if (network === undefined || chassis === undefined)
      throw new RangeError("no chassis to simulate");
    const host = FIRST_FREE_HOST + Math.floor(at / networks.length);
    return {
      id: `${prefix}-${at}`,
      network: network.id,
      mac: `06:73:00:00:${hex(at >> 8)}:${hex(at & 255)}`,
      ip: network.cidr.replace(/\.0\/24$/, `.${host}`),
      ip6: network.cidr6?.replace(/\/64$/, hex(host)) ?? null,
      chassis: chassis.name,
      port_security: true,
    };
  });
}

export function realChassis(workload: Workload): WorkloadChassis {
  const real = workload.chassis.find((chassis) => chassis.real);
  if (real === undefined) throw new RangeError(`workload ${workload.name}: no real chassis`);
  return real;
}

/** Last octets that no workload uses: its ports are below 200, a load balancer's address is 250. */
const FIRST_FREE_HOST = 200;
const FREE_HOSTS = 50;
/** Neighbouring samples go to chassis far apart. */
const CHASSIS_STRIDE = 37;

function networksElsewhere(workload: Workload, real: string): readonly WorkloadNetwork[] {
  const here = new Set(
    workload.ports.filter(({ chassis }) => chassis === real).map(({ network }) => network),
  );
  const without = workload.networks.filter(({ id }) => !here.has(id));
  const hosts = hostsOfRouters(workload);
  const unrouted = without.filter(({ router }) => !router || !hosts.get(router)?.has(real));
  return unrouted.length > 0 ? unrouted : without;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
