// weft describe router as golden text, from messages as central answers them.
import { expect, test } from "vitest";
import type { ObjectDocument, Plain, PlainObject } from "../kinds.ts";
import { documentOf } from "../kinds.ts";
import { routingObjects } from "../testing/routing.ts";
import { routerParts, routerText } from "./describe-router.ts";

const documents = routingObjects
  .map((object) => documentOf(object))
  .filter((document) => document !== undefined);

const at = (document: ObjectDocument, field: string): Plain | undefined =>
  field
    .split(".")
    .reduce<Plain | undefined>((value, key) => (value as PlainObject | undefined)?.[key], {
      spec: document.spec,
    });

const describeIt = async (router: ObjectDocument, all: readonly ObjectDocument[]) => {
  const parts = await routerParts(router, async ({ name }, field, value) =>
    all.filter((document) => document.kind === name && at(document, field) === value),
  );
  return routerText(router, parts);
};

test("everything a router can have", async () => {
  const [router] = documents;
  expect(router === undefined ? "" : await describeIt(router, documents)).toBe(
    [
      "kind: Router",
      "metadata:",
      "  id: g-core",
      "  project: green",
      "  name: core",
      "  revision: 7",
      "spec: {}",
      "status:",
      "  key: 5",
      "  interfaces: 2",
      "  routes: 4",
      "",
      "interfaces (2)",
      "NAME      NETWORK  ADDRESSES                     LINK-LOCAL       MTU   TABLE",
      "core-web  g-web    10.0.0.1/24,fd00:0:0:1::1/64  fe80::ff:fe00:1  1442  main",
      "core-ext  g-ext    10.0.2.5/24                   fe80::ff:fe00:2  1500  100",
      "",
      "routes (4, and 5 connected, 2 leaked)",
      "NAME            TABLE  DESTINATION      NEXT HOP    STATE     WHY",
      "-               all    10.0.0.0/24      connected   active    on network g-web",
      "-               all    10.0.2.0/24      connected   active    on network g-ext, but not on chassis-c: see below",
      "-               all    10.255.0.0/30    connected   active    over link core-branch",
      "-               all    fd00:0:0:1::/64  connected   active    on network g-web",
      "-               all    fd00:ff::/64     connected   active    over link core-branch",
      "from-gold       all    10.9.0.0/24      leaked      active    a network of router gold-core",
      "from-gold       all    fd00:9::/64      leaked      active    a network of router gold-core",
      "rest            main   10.0.0.0/8       blackhole   active    drops in silence",
      "to-partner      main   198.51.100.0/24  10.0.0.21   active    on network g-web",
      "to-partner      main   198.51.100.0/24  10.0.0.22   inactive  no port of network g-web has 10.0.0.22; add one, or an allowed address pair, that names it",
      "to-lab          main   fd00:0:0:8::/64  fd00:ff::2  active    over link core-branch",
      "default-of-ext  100    0.0.0.0/0        10.0.2.254  inactive  nothing on network g-ext is known to have 10.0.2.254; check the route",
      "",
      "policy routes (3), the highest priority counts",
      "NAME     PRIORITY  MATCH                                              ACTION             STATE     WHY",
      "inspect  300       from 10.0.0.0/24 to 198.51.100.0/24 ingress g-web  reroute 10.0.0.22  inactive  no port of network g-web has 10.0.0.22; add one, or an allowed address pair, that names it",
      "no-ssh   100       tcp to any port 22,8000-8099                       drop               -         -",
      "all      1         any                                                allow              -         -",
      "",
      "links (1)",
      "NAME         ADDRESSES                    TO ROUTER  ITS ADDRESSES",
      "core-branch  10.255.0.1/30,fd00:ff::1/64  g-branch   10.255.0.2/30,fd00:ff::2/64",
      "",
      "leaks (2)",
      "NAME       FROM       TO         PREFIXES",
      "to-gold    g-core     gold-core  10.0.0.0/24",
      "from-gold  gold-core  g-core     10.9.0.0/24,fd00:9::/64",
      "",
      "not on every chassis (1)",
      "CHASSIS    OBJECT                     WHY",
      "chassis-c  router-interface core-ext  no bridge for physical network physnet1; add it to providerBridges",
      "",
      "held by chassis (2)",
      "chassis-a, chassis-b",
      "",
    ].join("\n"),
  );
});

test("a router that is down, on many chassis, and what central has not said", async () => {
  const chassis = Array.from({ length: 20 }, (_, index) => `chassis-${index}`);
  const [, ...others] = documents;
  const router: ObjectDocument = {
    kind: "Router",
    metadata: { id: "g-core", name: "core" },
    spec: { adminDown: true },
    status: { key: 5, chassis },
  };
  // As an older revision has them: without status.
  const bare = others.map(({ kind, metadata, spec }) => ({ kind, metadata, spec }));
  const text = await describeIt(router, bare);
  expect(text).toContain(
    [
      "NAME            TABLE  DESTINATION      NEXT HOP    STATE     WHY",
      "-               all    10.255.0.0/30    connected   inactive  the router is administratively down",
      "-               all    fd00:ff::/64     connected   inactive  the router is administratively down",
      "from-gold       all    10.9.0.0/24      leaked      inactive  the router is administratively down",
      "from-gold       all    fd00:9::/64      leaked      inactive  the router is administratively down",
      "rest            main   10.0.0.0/8       blackhole   -         the router is administratively down",
      "to-partner      main   198.51.100.0/24  10.0.0.21   -         -",
    ].join("\n"),
  );
  const held = text.split("held by chassis (20)\n")[1] ?? "";
  expect(held.trimEnd().split(/,? ?\n|, /)).toEqual(chassis);
  expect(Math.max(...held.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(100);
});
