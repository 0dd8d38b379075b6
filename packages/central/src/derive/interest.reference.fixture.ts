// The reference of interest: which instructions a chassis may hear, computed from the rows and the ports hosted there alone. It shares
// no code with derivation: prefixes are strings of bits, joined routers a matrix of distances. Slow and total. Test support.

import type { Rows, TableName } from "../model/rows.ts";

/** What the reference reads. */
export interface AllRows {
  get<T extends TableName>(table: T, id: string): Rows[T] | undefined;
  values<T extends TableName>(table: T): Iterable<Rows[T]>;
}

const MOST_JOINS = 7;

/** Where a router that is up touches a network (a link has none). */
interface Touch {
  readonly router: Rows["router"];
  readonly network: Rows["network"] | undefined;
  readonly key: number;
  /** Bits of the prefix of each address. */
  readonly prefixes: readonly string[];
}

/** An address as its bits after the family: `4` and 32, or `6` and 128 digits. */
export function bitsOf(ip: string): string {
  if (!ip.includes(":")) {
    const parts = ip.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
    return `4${parts.join("")}`;
  }
  const [head = "", tail] = ip.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: gap }, () => "0"), ...right];
  return `6${groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("")}`;
}

/** `10.0.0.0/24` -> the family and 24 bits. An address is inside when its bits start so. */
export function prefixBits(cidr: string): string {
  const [ip = "", length] = cidr.split("/");
  const bits = bitsOf(ip);
  return length === undefined ? bits : bits.slice(0, 1 + Number(length));
}

function hexOf(bits: string): string {
  const size = bits.startsWith("4") ? 32 : 128;
  const digits = bits.slice(1).padEnd(size, "0");
  return (digits.match(/.{4}/g) ?? [])
    .map((four) => Number.parseInt(four, 2).toString(16))
    .join("");
}

export function placedOn(rows: AllRows, port: Rows["port"]): string | undefined {
  if (rows.get("network", port.network) === undefined) return undefined;
  const chassis = port.requestedChassis ?? rows.get("binding", port.id)?.chassis;
  return chassis === "" ? undefined : chassis;
}

/** Chassis that can be sent to for the port. */
function programmedOn(rows: AllRows, port: Rows["port"]): Rows["chassis"] | undefined {
  const binding = rows.get("binding", port.id);
  const ready = binding?.state === "programmed" || binding?.state === "up";
  if (!ready || !port.adminUp || placedOn(rows, port) !== binding.chassis) return undefined;
  const chassis = rows.get("chassis", binding.chassis);
  const encap = rows.get("network", port.network)?.encap;
  if (encap === null) return chassis;
  return chassis?.encaps.some(({ type }) => type === encap) ? chassis : undefined;
}

function touchesOf(rows: AllRows): Touch[] {
  const touches: Touch[] = [];
  for (const one of rows.values("router-interface")) {
    const router = rows.get("router", one.router);
    const network = rows.get("network", one.network);
    if (!router?.adminUp || network === undefined) continue;
    const mayUse = router.project === network.project || (network.encap === null && network.shared);
    if (!mayUse) continue;
    const prefixes: string[] = [];
    for (const subnet of rows.values("subnet")) {
      if (subnet.network !== network.id) continue;
      const given = one.fixedIps.some((fixed) => fixed.subnet === subnet.id);
      if (given || subnet.gatewayIp !== null) prefixes.push(prefixBits(subnet.cidr));
    }
    touches.push({ router, network, key: network.key, prefixes });
  }
  for (const link of rows.values("router-link")) {
    const [first, second] = link.ends.map((end) => rows.get("router", end.router));
    if (!first || !second || first.project !== second.project) continue;
    for (const { router: id, addresses } of link.ends) {
      const router = id === first.id ? first : second;
      if (!router.adminUp) continue;
      touches.push({
        router,
        network: undefined,
        key: link.key,
        prefixes: addresses.map(prefixBits),
      });
    }
  }
  return touches;
}

/** Joins between routers that are up, the fewest: Floyd and Warshall. `<id> <id>` -> joins. */
function distances(rows: AllRows, touches: readonly Touch[]): Map<string, number> {
  const up = [...rows.values("router")].filter((router) => router.adminUp);
  const joins = new Map<string, number>();
  for (const router of up) joins.set(`${router.id} ${router.id}`, 0);
  for (const a of touches) {
    for (const b of touches) {
      if (a.router === b.router || a.router.project !== b.router.project) continue;
      const same = a.network === undefined ? a.key === b.key : a.network === b.network;
      if (same && a.network?.encap !== null) joins.set(`${a.router.id} ${b.router.id}`, 1);
    }
  }
  for (const { id: via } of up) {
    for (const { id: from } of up) {
      for (const { id: to } of up) {
        const there = joins.get(`${from} ${via}`);
        const on = joins.get(`${via} ${to}`);
        if (there === undefined || on === undefined) continue;
        const known = joins.get(`${from} ${to}`) ?? Number.POSITIVE_INFINITY;
        if (there + on < known) joins.set(`${from} ${to}`, there + on);
      }
    }
  }
  return joins;
}

/** `<id of the leak's second router>` -> what each of its leaks shows. */
function leaksOf(rows: AllRows, touches: readonly Touch[]) {
  const shown: { to: string; leakKey: number; network: Rows["network"]; bits: string }[] = [];
  for (const leak of rows.values("route-leak")) {
    if (leak.from === leak.to) continue;
    for (const { router, network, prefixes } of touches) {
      if (router.id !== leak.from || network === undefined || network.encap === null) continue;
      for (const connected of prefixes) {
        for (const named of leak.prefixes.map(prefixBits)) {
          const bits = connected.startsWith(named) ? connected : named;
          if (!bits.startsWith(connected)) continue;
          shown.push({ to: leak.to, leakKey: leak.key, network, bits });
        }
      }
    }
  }
  return shown;
}

/** Keys of what each router's scope holds; a neighbour and a claimed address with its addresses after a space. */
function routerKeys(
  rows: AllRows,
  touches: readonly Touch[],
  claims: readonly Held[],
): Map<string, string[]> {
  const leaks = leaksOf(rows, touches);
  const keys = new Map<string, string[]>();
  for (const router of rows.values("router")) {
    if (!router.adminUp) continue;
    const own = touches.filter((touch) => touch.router === router);
    const onLink = (ip: string): boolean =>
      own.some((touch) => touch.prefixes.some((prefix) => bitsOf(ip).startsWith(prefix)));
    const found = ["config", ...own.map((touch) => `interface/${touch.key}`)];
    for (const route of rows.values("route")) {
      const usable = route.nextHops.length === 0 || route.nextHops.some(onLink);
      if (route.router === router.id && usable) found.push(`route/${route.key}`);
    }
    for (const policy of rows.values("policy-route")) {
      const { ingressNetwork } = policy;
      const there = ingressNetwork === null || rows.get("network", ingressNetwork) !== undefined;
      if (policy.router === router.id && there) found.push(`policy/${policy.key}`);
    }
    for (const { to, leakKey, network, bits } of leaks) {
      if (to !== router.id) continue;
      found.push(`leaked/${leakKey}/${network.key}/${hexOf(bits)}/${bits.length - 1}`);
    }
    for (const port of rows.values("port")) {
      if (programmedOn(rows, port) === undefined) continue;
      const mine = port.project === router.project;
      const wired = own.some(({ network: on }) => on?.id === port.network && on.encap === null);
      const ips = port.fixedIps
        .map((fixed) => fixed.ip)
        .filter((ip) => {
          if (rows.get("network", port.network)?.encap === null) return mine && wired;
          return leaks.some(
            ({ to, network, bits }) =>
              to === router.id && network.id === port.network && bitsOf(ip).startsWith(bits),
          );
        });
      if (ips.length > 0) found.push(`neighbour/${port.key} ${ips.sort().join(",")}`);
    }
    for (const { network, port, ip } of claims) {
      const wired = own.some(({ network: on }) => on === network && network.encap === null);
      if (!wired || port.project !== router.project) continue;
      found.push(`claimed/${network.key}/${hexOf(bitsOf(ip))} ${ip}`);
    }
    keys.set(
      router.id,
      [...new Set(found)].map((key) => `router/${router.key}/${key}`),
    );
  }
  return keys;
}

/** An address that a port which can be sent to holds by a claim. */
interface Held {
  readonly network: Rows["network"];
  readonly port: Rows["port"];
  readonly ip: string;
}

function claimsOf(rows: AllRows, touches: readonly Touch[]): Held[] {
  const held = new Set<string>();
  for (const port of rows.values("port")) {
    for (const { ip } of port.fixedIps) held.add(`${port.network} ${ip}`);
  }
  for (const one of rows.values("router-interface")) {
    const router = rows.get("router", one.router);
    const network = rows.get("network", one.network);
    if (router === undefined || network === undefined) continue;
    if (router.project !== network.project && !network.shared) continue;
    for (const subnet of rows.values("subnet")) {
      if (subnet.network !== one.network) continue;
      const given = one.fixedIps.find((fixed) => fixed.subnet === subnet.id)?.ip;
      held.add(`${one.network} ${given ?? subnet.gatewayIp}`);
    }
  }
  const valid: Held[] = [];
  for (const claim of rows.values("claim")) {
    const port = rows.get("port", claim.port);
    const network = rows.get("network", claim.network);
    if (port?.network !== claim.network || !network) continue;
    // A router may ask ports of an overlay with port security off for any address that it is connected to.
    const asked =
      !port.portSecurity &&
      network.encap !== null &&
      touches.some(
        (touch) =>
          touch.network === network &&
          touch.prefixes.some((prefix) => bitsOf(claim.ip).startsWith(prefix)),
      );
    const allowed = port.allowedAddressPairs.some(
      (pair) =>
        (pair.mac ?? port.mac) === claim.mac && bitsOf(claim.ip).startsWith(prefixBits(pair.ip)),
    );
    if (!(allowed || asked) || held.has(`${claim.network} ${claim.ip}`)) continue;
    if (programmedOn(rows, port) === undefined) continue;
    valid.push({ network, port, ip: claim.ip });
  }
  return valid;
}

/** What each of these chassis is to be told: keys, sorted; a neighbour with its addresses. */
export function expected(rows: AllRows, chassisIds: readonly string[]): Map<string, string[]> {
  const touches = touchesOf(rows);
  const joins = distances(rows, touches);
  const claims = claimsOf(rows, touches);
  const ofRouter = routerKeys(rows, touches, claims);
  const ports = [...rows.values("port")];
  const overlay = ports.filter((port) => rows.get("network", port.network)?.encap !== null);
  const open = new Set(
    overlay
      .filter((port) => !port.portSecurity && programmedOn(rows, port) !== undefined)
      .map((port) => port.network),
  );
  const told = new Map<string, string[]>();
  for (const id of chassisIds) {
    const keys = new Set<string>();
    const known = rows.get("chassis", id) !== undefined;
    if (known) keys.add(`chassis/${id}/config`);
    const hosted = ports.filter((port) => placedOn(rows, port) === id);
    const networks = new Set(hosted.map((port) => port.network));
    const floods = new Set(networks);
    const routers = new Set<string>();
    for (const port of hosted) {
      if (known) keys.add(`chassis/${id}/port/${port.key}`);
      for (const { network, port: holder, ip } of claims) {
        if (holder !== port || network.encap !== null) continue;
        keys.add(`chassis/${id}/address/${network.key}/${hexOf(bitsOf(ip))}`);
      }
      for (const { router, network } of touches) {
        if (network?.id !== port.network || router.project !== port.project) continue;
        for (const other of rows.values("router")) {
          const far = joins.get(`${router.id} ${other.id}`);
          if (far !== undefined && far <= MOST_JOINS) routers.add(other.id);
        }
      }
    }
    for (const { router, network } of touches) {
      if (network === undefined || !routers.has(router.id)) continue;
      networks.add(network.id);
      if (open.has(network.id)) floods.add(network.id);
    }
    for (const one of rows.values("liveness")) {
      const fenced =
        one.state === "fenced" && one.id !== id ? rows.get("chassis", one.id) : undefined;
      if (known && fenced !== undefined && hosted.length > 0)
        keys.add(`chassis/${id}/fence/${fenced.key}`);
    }
    for (const network of networks) {
      const nk = rows.get("network", network)?.key;
      keys.add(`network/${nk}/config`);
      for (const { network: on, ip } of claims) {
        if (on.id !== network || on.encap === null) continue;
        keys.add(`network/${nk}/address/${hexOf(bitsOf(ip))}`);
      }
    }
    for (const port of overlay) {
      const nk = rows.get("network", port.network)?.key;
      const at = programmedOn(rows, port);
      if (at === undefined) continue;
      if (networks.has(port.network)) keys.add(`network/${nk}/location/${port.key}`);
      if (floods.has(port.network)) keys.add(`flood/${nk}/peer/${at.key}`);
    }
    for (const router of routers) for (const key of ofRouter.get(router) ?? []) keys.add(key);
    told.set(id, [...keys].sort());
  }
  return told;
}
