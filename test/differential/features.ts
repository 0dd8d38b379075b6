// What the generator can draw: one table, an entry a capability of the API. Each says what it adds to a topology and how what it added
// may change; a later capability joins the comparison by an entry here, and by saying what it is in each system. Pure.

import type { Random } from "./random.ts";
import { all, get, type Topology } from "./topology.ts";
import {
  HOSTS,
  PROJECTS,
  networkWith,
  withPort,
  withRouter,
  projectsOf,
  withInterface,
  anyRouter,
  farRoute,
  changeOne,
  dropOne,
  withPolicy,
  joined,
  withMoreAddresses,
  withFewerAddresses,
  withPair,
  claimed,
  nextVlan,
  unclaimed,
  unpaired,
  unhopped,
} from "./pieces.ts";

export interface Feature {
  readonly name: string;
  /** How often a topology has it. */
  readonly chance: number;
  /** The topology with it added; the same one when there is no place for it. */
  readonly add: (topology: Topology, random: Random) => Topology;
  /** Ways that what it added, or what is there, changes; one is taken. */
  readonly changes: readonly ((topology: Topology, random: Random) => Topology)[];
}
export const FEATURES: readonly Feature[] = [
  {
    name: "ports",
    chance: 1,
    add: (topology, random) =>
      all(topology, "network").reduce(
        (current, network) => withPort(withPort(current, network, random), network, random),
        topology,
      ),
    changes: [
      (topology, random) => withPort(topology, random.pick(all(topology, "network")), random),
      (topology, random) =>
        changeOne(topology, random, all(topology, "port").filter(unclaimed), () => null),
    ],
  },
  {
    name: "moves",
    chance: 0,
    add: (topology) => topology,
    changes: [
      (topology, random) =>
        changeOne(topology, random, all(topology, "port").filter(unclaimed), (port) => ({
          ...port,
          host: (port.host + 1) % HOSTS,
        })),
    ],
  },
  {
    name: "provider network",
    chance: 0.4,
    add: (topology, random) => {
      const project = random.pick(projectsOf(topology));
      return networkWith(topology, project, random, { vlan: nextVlan(topology) });
    },
    changes: [],
  },
  {
    name: "second tenant",
    chance: 0.35,
    add: (topology, random) => networkWith(topology, PROJECTS[1], random, { encap: "geneve" }),
    changes: [],
  },
  {
    name: "port admin state",
    chance: 0.15,
    add: (topology, random) =>
      changeOne(topology, random, all(topology, "port"), (port) => ({ ...port, up: false })),
    changes: [
      (topology, random) =>
        changeOne(topology, random, all(topology, "port").filter(unclaimed), (port) => ({
          ...port,
          up: !port.up,
        })),
    ],
  },
  {
    name: "port security off",
    chance: 0.3,
    add: (topology, random) =>
      changeOne(topology, random, all(topology, "port").filter(unpaired), (port) => ({
        ...port,
        security: false,
      })),
    changes: [
      (topology, random) =>
        changeOne(topology, random, all(topology, "port").filter(unpaired), (port) => ({
          ...port,
          security: !port.security,
        })),
    ],
  },
  {
    name: "router",
    chance: 0.9,
    add: withRouter,
    changes: [
      (topology, random) => {
        const router = anyRouter(topology, random);
        const networks = all(topology, "network");
        if (router === null) return topology;
        const { project } = get(topology, "router", router);
        const own = networks.filter((one) => one.project === project);
        return own.length === 0 ? topology : withInterface(topology, router, random.pick(own));
      },
      (topology, random) =>
        changeOne(
          topology,
          random,
          all(topology, "interface").filter(unhopped(topology)),
          () => null,
        ),
    ],
  },
  {
    name: "router admin state",
    chance: 0.05,
    add: (topology, random) =>
      changeOne(topology, random, all(topology, "router"), (router) => ({ ...router, up: false })),
    changes: [
      (topology, random) =>
        changeOne(topology, random, all(topology, "router"), (router) => ({
          ...router,
          up: !router.up,
        })),
    ],
  },
  {
    name: "second router",
    chance: 0.5,
    add: withRouter,
    changes: [],
  },
  {
    name: "joined routers",
    chance: 0.6,
    add: joined,
    changes: [
      joined,
      (topology, random) =>
        changeOne(topology, random, all(topology, "link").filter(unhopped(topology)), () => null),
    ],
  },
  {
    name: "third router",
    chance: 0.25,
    add: (topology, random) => joined(withRouter(topology, random), random),
    changes: [],
  },
  {
    name: "subnets",
    chance: 0.2,
    add: withMoreAddresses,
    changes: [withMoreAddresses, withFewerAddresses],
  },
  {
    name: "static routes",
    chance: 0.5,
    add: (topology, random) => farRoute(topology, random, 1),
    changes: [(topology, random) => farRoute(topology, random, 1), dropOne("route")],
  },
  {
    name: "blackholes",
    chance: 0.2,
    add: (topology, random) => farRoute(topology, random, 0),
    changes: [(topology, random) => farRoute(topology, random, 0)],
  },
  {
    name: "ECMP",
    chance: 0.3,
    add: (topology, random) => farRoute(topology, random, random.between(2, 4)),
    changes: [
      (topology, random) => farRoute(topology, random, random.between(2, 4)),
      (topology, random) =>
        changeOne(
          topology,
          random,
          all(topology, "route").filter(({ nextHops }) => nextHops.length > 1),
          (route) => ({ ...route, nextHops: route.nextHops.slice(1) }),
        ),
    ],
  },
  {
    name: "route tables",
    chance: 0.35,
    add: (topology, random) => {
      const tabled = changeOne(topology, random, all(topology, "interface"), (one) => ({
        ...one,
        table: 7,
      }));
      // A few, so that some are in that table.
      return farRoute(farRoute(farRoute(tabled, random, 1), random, 1), random, 0);
    },
    changes: [
      (topology, random) =>
        changeOne(topology, random, all(topology, "interface"), (one) => ({
          ...one,
          table: one.table === 0 ? 7 : 0,
        })),
      (topology, random) => farRoute(topology, random, 1),
    ],
  },
  {
    name: "policies",
    chance: 0.4,
    add: withPolicy,
    changes: [withPolicy, dropOne("policy")],
  },
  {
    name: "allowed pairs",
    chance: 0.3,
    add: withPair,
    changes: [withPair, claimed],
  },
];
