// The routers that the tests of routing begin with, and what is refused there.

import { network, port, provider, subnet } from "../store/transactor.fixture.ts";
import type { ChangeIntent } from "./intents.ts";
import {
  given,
  leak,
  linked,
  policy,
  refusedIn,
  route,
  router,
  routerInterface,
} from "./plan.fixture.ts";

export { given, many, type RefusedCase } from "./plan.fixture.ts";

export const other = { project: "other" };
export const drop = { verdict: "drop", nextHops: [] } as const;
export const reroute = (...nextHops: string[]) => ({ verdict: "reroute", nextHops }) as const;

/**
 *   n1 10.1.0.0/24 fd01::/64 - r1 - n2 10.2.0.0/24      x1 (project other) - xn 10.9.0.0/24
 *                     r2 on n2 by 10.2.0.254            x1 on ext by 192.0.2.9
 *   r2 - r3 by a link 10.255.0.0/30, r3 - n3 10.3.0.0/24 (no gateway, .1 given)
 *   ext: shared provider network 192.0.2.0/24, r1 by its gateway
 */
export const world: ChangeIntent[] = [
  ...["n1", "n2", "n3", "n4"].map((id) => network(id, { id })),
  network("xn", { id: "xn", ...other }),
  provider("ext", "physical", 100, { id: "ext", shared: true }),
  provider("own", "physical", 101, { id: "own" }),
  subnet("s1", { network: "n1", cidr: "10.1.0.0/24" }, { id: "s1" }),
  subnet("s16", { network: "n1", cidr: "fd01::/64" }, { id: "s16" }),
  subnet("s2", { network: "n2", cidr: "10.2.0.0/24" }, { id: "s2" }),
  subnet("s3", { network: "n3", cidr: "10.3.0.0/24", noGateway: true }, { id: "s3" }),
  subnet("s4", { network: "n4", cidr: "10.4.0.0/24" }, { id: "s4" }),
  subnet("sx", { network: "xn", cidr: "10.9.0.0/24" }, { id: "sx", ...other }),
  subnet("se", { network: "ext", cidr: "192.0.2.0/24" }, { id: "se" }),
  ...["r1", "r2", "r3", "r4"].map((id) => router(id)),
  router("x1", {}, other),
  routerInterface("i11", { router: "r1", network: "n1", mac: "0a:00:00:00:00:11" }),
  routerInterface("i12", { router: "r1", network: "n2" }),
  routerInterface("i1e", { router: "r1", network: "ext" }),
  routerInterface("i22", { router: "r2", network: "n2", ...given("10.2.0.254") }),
  routerInterface("i33", { router: "r3", network: "n3", ...given("10.3.0.1") }),
  routerInterface("ixx", { router: "x1", network: "xn" }, other),
  routerInterface("ixe", { router: "x1", network: "ext", ...given("192.0.2.9") }, other),
  linked("l23", ["r2", "r3"], [["10.255.0.1/30", "10.255.0.2/30"]]),
  port("p1", { network: "n1", mac: "0a:00:00:00:00:01", ...given("10.1.0.10") }, { id: "p1" }),
  route("to3", { router: "r1", destination: "10.3.0.0/24", nextHops: ["10.2.0.254"] }),
  route("to3b", { router: "r2", destination: "10.3.0.0/24", nextHops: ["10.255.0.2"] }),
  route("hole", { router: "r1", destination: "10.66.0.0/16", blackhole: true }),
  policy("pol", { router: "r1", ingressNetwork: "n1", action: reroute("10.1.0.99") }),
  leak("lk", { from: "x1", to: "r3", prefixes: ["10.9.0.0/25"] }),
];

/** A route, policy of r1. */
export const to = (destination: string, ...nextHops: string[]): ChangeIntent =>
  route("new", { router: "r1", destination, nextHops });
export const match = (spec: NonNullable<Parameters<typeof policy>[1]>): ChangeIntent =>
  policy("new", { router: "r1", action: drop, ...spec });

/** Refused in this world, for these reasons, and nothing is changed. */
export const expectRefused = refusedIn(world);
