// A topology as the commands of ovn-nbctl that make it, as Neutron's driver would: a logical switch a network, a logical router a
// router, a pair of router ports a link. The difference of two topologies becomes the commands that lead from one to the other. Pure.

import {
  addressesOf,
  all,
  attachments,
  familyOf,
  type Interface,
  type Leak,
  type Link,
  linkMac,
  get,
  type Policy,
  type Port,
  prefixLength,
  type Route,
  shownBy,
  type Topology,
} from "./topology.ts";

type Command = readonly string[];

/** What one row needs: made anew when `create` changes, set again when `settings` change. */
interface Row {
  readonly create: readonly Command[];
  readonly settings: readonly Command[];
  readonly remove: readonly Command[];
}

/** Logical routers look static routes up in main as well as in the port's table: so each table gets a name, main too. */
function tableName(table: number): string {
  return `table-${table}`;
}

export function ovnCommands(tag: string, before: Topology, after: Topology): readonly Command[] {
  const old = rows(tag, before);
  const now = rows(tag, after);
  const changed = (name: string, part: "create" | "settings") =>
    JSON.stringify(old.get(name)?.[part]) !== JSON.stringify(now.get(name)?.[part]);
  const gone = [...old.keys()].filter((name) => changed(name, "create")).reverse();
  const made = [...now.keys()].filter((name) => changed(name, "create"));
  const set = [...now.keys()].filter((name) => made.includes(name) || changed(name, "settings"));
  return [
    ...gone.flatMap((name) => old.get(name)?.remove ?? []),
    ...made.flatMap((name) => now.get(name)?.create ?? []),
    ...set.flatMap((name) => now.get(name)?.settings ?? []),
  ];
}

/** In the order of making. */
function rows(tag: string, topology: Topology): ReadonlyMap<string, Row> {
  const found: [string, Row][] = [];
  for (const network of all(topology, "network")) {
    const name = tag + network.id;
    const create: Command[] = [["ls-add", name]];
    if ("vlan" in network.type) {
      const tag = network.type.vlan === 0 ? [] : ["", String(network.type.vlan)];
      create.push(
        ["lsp-add", name, `${name}-phys`, ...tag],
        ["lsp-set-type", `${name}-phys`, "localnet"],
        ["lsp-set-addresses", `${name}-phys`, "unknown"],
        ["lsp-set-options", `${name}-phys`, "network_name=physnet1"],
      );
    }
    found.push([name, { create, settings: [], remove: [["ls-del", name]] }]);
  }
  for (const port of all(topology, "port")) found.push([tag + port.id, portRow(tag, port)]);
  for (const router of all(topology, "router")) {
    const name = tag + router.id;
    found.push([
      name,
      {
        create: [["lr-add", name]],
        settings: [["set", "logical_router", name, `enabled=${router.up}`]],
        remove: [["lr-del", name]],
      },
    ]);
  }
  for (const one of all(topology, "interface")) {
    found.push([tag + one.id, interfaceRow(tag, topology, one)]);
  }
  for (const link of all(topology, "link")) found.push([tag + link.id, linkRow(tag, link)]);
  for (const route of all(topology, "route")) found.push(...routeRows(tag, route));
  for (const policy of all(topology, "policy")) {
    found.push([tag + policy.id, policyRow(tag, topology, policy)]);
  }
  for (const leak of all(topology, "leak")) found.push(...leakRows(tag, topology, leak));
  return new Map(found);
}

function portRow(tag: string, port: Port): Row {
  const name = tag + port.id;
  const pairs = port.pairs.map(({ ip }) => ip);
  const addresses = [[port.mac, ...port.ips].join(" "), ...(port.security ? [] : ["unknown"])];
  const security = port.security ? [[port.mac, ...port.ips, ...pairs].join(" ")] : [];
  return {
    create: [["lsp-add", tag + port.network, name]],
    settings: [
      ["lsp-set-addresses", name, ...addresses],
      ["lsp-set-port-security", name, ...security],
      ["lsp-set-enabled", name, port.up ? "enabled" : "disabled"],
    ],
    remove: [["lsp-del", name]],
  };
}

function interfaceRow(tag: string, topology: Topology, one: Interface): Row {
  const name = tag + one.id;
  const networks = addressesOf(topology, one).map(({ ip, cidr }) => `${ip}/${prefixLength(cidr)}`);
  return {
    create: [
      ["lrp-add", tag + one.router, name, one.mac, ...networks],
      ["lsp-add", tag + one.network, `${name}-sw`],
      ["lsp-set-type", `${name}-sw`, "router"],
      ["lsp-set-addresses", `${name}-sw`, "router"],
      ["lsp-set-options", `${name}-sw`, `router-port=${name}`],
    ],
    settings: [routerPortOptions(name, one.table, get(topology, "network", one.network).mtuBytes)],
    remove: [
      ["lsp-del", `${name}-sw`],
      ["lrp-del", name],
    ],
  };
}

function routerPortOptions(name: string, table: number, mtuBytes: number | null): Command {
  const mtu = mtuBytes === null ? [] : [`gateway_mtu=${mtuBytes}`];
  const options = [...mtu, `route_table=${tableName(table)}`];
  return ["lrp-set-options", name, ...options];
}

function linkRow(tag: string, link: Link): Row {
  const name = (side: 0 | 1) => `${tag}${link.id}-${side}`;
  const sides = [0, 1] as const;
  return {
    create: sides.map((side) => [
      ...["lrp-add", tag + link.ends[side].router, name(side), linkMac(link, side)],
      ...link.ends[side].addresses,
      `peer=${name(side === 0 ? 1 : 0)}`,
    ]),
    settings: sides.map((side) => routerPortOptions(name(side), 0, null)),
    remove: sides.map((side) => ["lrp-del", name(side)]),
  };
}

/** Over policies that a case has: what a leak brings is none of the other router's to drop. */
const LEAK_POLICY_PRIORITY = 30_000;
/** No route stands there: what a leak brings goes to connected networks alone. */
const LEAK_TABLE = "leaked";

/** Addresses of the ends are in these; nothing else is. */
export const LEAK_PREFIXES = ["100.64.0.0/16", "fd00:64::/32"] as const;

/** Ends of the pair of router ports that a leak is in OVN: first of the router that is to reach, then of the one whose prefixes they are. */
export function leakEnds({ id }: Pick<Leak, "id">): readonly [LeakEnd, LeakEnd] {
  const n = Number.parseInt(id.replace(/\D/g, ""), 10);
  const end = (part: 1 | 2): LeakEnd => ({
    mac: `02:12:00:00:0${part}:${n.toString(16).padStart(2, "0")}`,
    addresses: { 4: `100.64.${n}.${part}`, 6: `fd00:64:${n}::${part}` },
  });
  return [end(1), end(2)];
}

export interface LeakEnd {
  readonly mac: string;
  readonly addresses: Readonly<Record<4 | 6, string>>;
}

/** A leak is no object of OVN: the routers are joined by a pair of ports that only routes for what is leaked use, one way. */
function leakRows(tag: string, topology: Topology, leak: Leak): [string, Row][] {
  const name = tag + leak.id;
  const ends = leakEnds(leak);
  const routers = [leak.to, leak.from] as const;
  const port = (side: 0 | 1): Command => {
    const { mac, addresses } = ends[side];
    const networks = [`${addresses[4]}/30`, `${addresses[6]}/64`];
    const peer = `peer=${name}-${side === 0 ? 1 : 0}`;
    return ["lrp-add", tag + routers[side], `${name}-${side}`, mac, ...networks, peer];
  };
  const from = tag + leak.from;
  const policy = [from, String(LEAK_POLICY_PRIORITY), `inport == "${name}-1"`];
  const pair: Row = {
    create: [port(0), port(1), ["lr-policy-add", ...policy, "allow"]],
    settings: ([0, 1] as const).map((side) => [
      ...["lrp-set-options", `${name}-${side}`],
      `route_table=${side === 0 ? tableName(0) : LEAK_TABLE}`,
    ]),
    remove: [
      ["--if-exists", "lr-policy-del", ...policy],
      ["lrp-del", `${name}-0`],
      ["lrp-del", `${name}-1`],
    ],
  };
  const tables = new Set(attachments(topology, leak.to).map(({ table }) => table));
  const routes = shownBy(topology, leak).flatMap(({ prefix }) =>
    [...tables]
      .filter((table) => !hasStatic(topology, leak.to, table, prefix))
      .map((table): [string, Row] => {
        const inTable = `--route-table=${tableName(table)}`;
        const hop = ends[1].addresses[familyOf(prefix)];
        const route = [tag + leak.to, prefix, hop];
        const add = [inTable, "--ecmp", "lr-route-add", ...route];
        const remove = ["--if-exists", inTable, "lr-route-del", ...route];
        return [`${name} ${table} ${prefix}`, { create: [add], settings: [], remove: [remove] }];
      }),
  );
  return [[name, pair], ...routes];
}

/** Of equal prefixes the static one counts. */
function hasStatic(topology: Topology, router: string, table: number, prefix: string): boolean {
  return all(topology, "route").some(
    (one) => one.router === router && one.table === table && one.destination === prefix,
  );
}

/** A row a next hop: ovn-nbctl does not see within a transaction that a route of the same prefix was deleted. */
function routeRows(
  tag: string,
  { id, router, table, destination, nextHops }: Route,
): [string, Row][] {
  const inTable = `--route-table=${tableName(table)}`;
  const blackhole = nextHops.length === 0;
  return (blackhole ? ["discard"] : nextHops).map((hop) => {
    const route = [tag + router, destination, hop];
    const add = [inTable, ...(blackhole ? [] : ["--ecmp"]), "lr-route-add", ...route];
    const remove = ["--if-exists", inTable, "lr-route-del", tag + router, destination, hop];
    return [`${tag}${id} ${hop}`, { create: [add], settings: [], remove: [remove] }];
  });
}

function policyRow(tag: string, topology: Topology, policy: Policy): Row {
  const ip = policy.family === null ? "ip" : `ip${policy.family}`;
  const name = policy.protocol === 6 ? "tcp" : "udp";
  const ingress = all(topology, "interface").find(
    (one) => one.router === policy.router && one.network === policy.ingress,
  );
  const match = [
    ip,
    ...(policy.source === null ? [] : [`${ip}.src == ${policy.source}`]),
    ...(policy.destination === null ? [] : [`${ip}.dst == ${policy.destination}`]),
    ...(policy.protocol === 0 ? [] : [`ip.proto == ${policy.protocol}`]),
    ...(policy.ports === null
      ? []
      : [`${name}.dst >= ${policy.ports.first}`, `${name}.dst <= ${policy.ports.last}`]),
    // A policy whose network is not attached matches nothing.
    ...(policy.ingress === null ? [] : [`inport == "${tag}${ingress?.id ?? "none"}"`]),
  ].join(" && ");
  const { action, priority, router } = policy;
  const words = typeof action === "string" ? [action] : ["reroute", action.nextHops.join(",")];
  return {
    create: [["lr-policy-add", tag + router, String(priority), match, ...words]],
    settings: [],
    remove: [["--if-exists", "lr-policy-del", tag + router, String(priority), match]],
  };
}
