// Tables of the kinds of routing as golden text: 100 columns wide, from messages as central answers them.
import { expect, test } from "vitest";
import { documentOf } from "../kinds.ts";
import { routingKinds } from "../kinds-routing.ts";
import { routingObjects } from "../testing/routing.ts";
import { tableOf } from "./output.ts";

const documents = routingObjects
  .map((object) => documentOf(object))
  .filter((document) => document !== undefined);

function tables(wide: boolean): string {
  return routingKinds
    .map((entry) =>
      tableOf(
        entry,
        documents.filter(({ kind }) => kind === entry.name),
        { width: 100, wide },
      ),
    )
    .join("\n");
}

test("in 100 columns", () => {
  expect(tables(false)).toBe(
    [
      "NAME  PROJECT  ADMIN  KEY  INTERFACES  ROUTES  CHASSIS",
      "core  green    up     5    2           4       2",
      "",
      "NAME      PROJECT  ROUTER  NETWORK  ADDRESSES               TABLE  MTU   FAILED",
      "core-web  green    g-core  g-web    10.0.0.1,fd00:0:0:1::1  main   1442  0",
      "core-ext  green    g-core  g-ext    10.0.2.5                100    1500  1",
      "",
      "NAME            PROJECT  ROUTER  TABLE  DESTINATION      NEXT HOPS        STATE     REASON",
      "default-of-ext  green    g-core  100    0.0.0.0/0        10.0.2.254       inactive  nothing on netw…",
      "to-lab          green    g-core  main   fd00:0:0:8::/64  fd00:ff::2       active    -",
      "to-partner      green    g-core  main   198.51.100.0/24  10.0.0.21,10.0…  1 of 2    no port of netw…",
      "rest            green    g-core  main   10.0.0.0/8       blackhole        active    -",
      "",
      "NAME     PROJECT  ROUTER  PRIORITY  MATCH                                ACTION             STATE",
      "no-ssh   green    g-core  100       tcp to any port 22,8000-8099         drop               -",
      "inspect  green    g-core  300       from 10.0.0.0/24 to 198.51.100.0/2…  reroute 10.0.0.22  inactive",
      "all      green    g-core  1         any                                  allow              -",
      "",
      "NAME         PROJECT  FIRST                                 SECOND",
      "core-branch  green    g-branch 10.255.0.2/30,fd00:ff::2/64  g-core 10.255.0.1/30,fd00:ff::1/64",
      "",
      "NAME       PROJECT  FROM       TO         PREFIXES",
      "from-gold  green    gold-core  g-core     10.9.0.0/24,fd00:9::/64",
      "to-gold    green    g-core     gold-core  10.0.0.0/24",
      "",
    ].join("\n"),
  );
});

test("wide", () => {
  expect(tables(true)).toBe(
    [
      "NAME  PROJECT  ADMIN  KEY  INTERFACES  ROUTES  CHASSIS  HELD BY              ID      LABELS  REVISION",
      "core  green    up     5    2           4       2        chassis-a,chassis-b  g-core  -       7",
      "",
      "NAME      PROJECT  ROUTER  NETWORK  ADDRESSES               TABLE  MTU   FAILED  MAC                LINK-LOCAL       KEY  ID          LABELS  REVISION",
      "core-web  green    g-core  g-web    10.0.0.1,fd00:0:0:1::1  main   1442  0       02:00:00:00:00:01  fe80::ff:fe00:1  21   g-core-web  -       7",
      "core-ext  green    g-core  g-ext    10.0.2.5                100    1500  1       02:00:00:00:00:02  fe80::ff:fe00:2  22   g-core-ext  -       7",
      "",
      "NAME            PROJECT  ROUTER  TABLE  DESTINATION      NEXT HOPS            STATE     REASON                                                                                      FAILED  KEY  ID                LABELS  REVISION",
      "default-of-ext  green    g-core  100    0.0.0.0/0        10.0.2.254           inactive  nothing on network g-ext is known to have 10.0.2.254; check the route                       0       33   g-default-of-ext  -       7",
      "to-lab          green    g-core  main   fd00:0:0:8::/64  fd00:ff::2           active    -                                                                                           0       32   g-to-lab          -       7",
      "to-partner      green    g-core  main   198.51.100.0/24  10.0.0.21,10.0.0.22  1 of 2    no port of network g-web has 10.0.0.22; add one, or an allowed address pair, that names it  0       31   g-to-partner      -       7",
      "rest            green    g-core  main   10.0.0.0/8       blackhole            active    -                                                                                           0       30   g-rest            -       7",
      "",
      "NAME     PROJECT  ROUTER  PRIORITY  MATCH                                              ACTION             STATE     REASON                                                                                      KEY  ID         LABELS  REVISION",
      "no-ssh   green    g-core  100       tcp to any port 22,8000-8099                       drop               -         -                                                                                           40   g-no-ssh   -       7",
      "inspect  green    g-core  300       from 10.0.0.0/24 to 198.51.100.0/24 ingress g-web  reroute 10.0.0.22  inactive  no port of network g-web has 10.0.0.22; add one, or an allowed address pair, that names it  41   g-inspect  -       7",
      "all      green    g-core  1         any                                                allow              -         -                                                                                           42   g-all      -       7",
      "",
      "NAME         PROJECT  FIRST                                 SECOND                              KEY  ID             LABELS  REVISION",
      "core-branch  green    g-branch 10.255.0.2/30,fd00:ff::2/64  g-core 10.255.0.1/30,fd00:ff::1/64  50   g-core-branch  -       7",
      "",
      "NAME       PROJECT  FROM       TO         PREFIXES                 KEY  ID           LABELS  REVISION",
      "from-gold  green    gold-core  g-core     10.9.0.0/24,fd00:9::/64  60   g-from-gold  -       7",
      "to-gold    green    g-core     gold-core  10.0.0.0/24              61   g-to-gold    -       7",
      "",
    ].join("\n"),
  );
});

test("a state that central does not tell is not made up", () => {
  const entry = routingKinds.find(({ name }) => name === "Route");
  const [route] = documents.filter(({ kind }) => kind === "Route");
  if (entry === undefined || route === undefined) throw new Error("no route to show");
  const past = { ...route, status: { key: 33, active: false } };
  expect(tableOf(entry, [past], { width: null, wide: false }).split("\n")[1]).toBe(
    "default-of-ext  green    g-core  100    0.0.0.0/0    10.0.2.254  -      -",
  );
});
