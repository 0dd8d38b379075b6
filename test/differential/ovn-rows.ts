// A topology as the commands of ovn-nbctl that make it, as Neutron's driver would: a logical switch a network, a logical router a
// router, a pair of router ports a link. The difference of two topologies becomes the commands that lead from one to the other. Pure.

import {
  addressesOf,
  all,
  type Interface,
  isProvider,
  type Link,
  linkMac,
  get,
  type Policy,
  type Port,
  prefixLength,
  type Route,
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
    if (isProvider(network) && "vlan" in network.type) {
      create.push(
        ["lsp-add", name, `${name}-phys`, "", String(network.type.vlan)],
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
