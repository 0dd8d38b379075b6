// What the generator can draw: one table, an entry a capability of the API. Each says what it adds to a topology and how what it added
// may change; a later capability joins the comparison by an entry here, and by saying what it is in each system. Pure.

import type { Random } from "./random.ts";
import {
  anyRouter,
  farRoute,
  joined,
  releaked,
  unhopped,
  withInterface,
  withLeak,
  withPolicy,
  withRouter,
  withoutMember,
} from "./routing-pieces.ts";
import { all, get, type Topology } from "./topology.ts";
import {
  HOSTS,
  PROJECTS,
  anyEncap,
  changeOne,
  claimed,
  dropOne,
  networkWith,
  networksFor,
  nextVlan,
  projectsOf,
  unclaimed,
  withFewerAddresses,
  withMoreAddresses,
  withoutPair,
  withPair,
  withPort,
} from "./pieces.ts";

export interface Feature {
  readonly name: string;
  /** How often a topology has it. */
  readonly chance: number;
  /** The topology with it added; the same one when there is no place for it. */
  readonly add: (topology: Topology, random: Random) => Topology;
  /** Ways that what it added, or what is there, changes; one is taken. */
  readonly changes: readonly ((topology: Topology, random: Random) => Topology)[];
  /** A change that comes first, mostly, where it can be made; absent = none. */
  readonly first?: (topology: Topology, random: Random) => Topology;
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
      const vlan = nextVlan(topology, random);
      return networkWith(topology, project, random, { vlan, shared: false });
    },
    changes: [],
  },
  {
    name: "shared network",
    chance: 0.25,
    add: (topology, random) => {
      const vlan = nextVlan(topology, random);
      return networkWith(topology, PROJECTS[0], random, { vlan, shared: true });
    },
    changes: [],
  },
  {
    name: "second tenant",
    chance: 0.35,
    add: (topology, random) => networkWith(topology, PROJECTS[1], random, anyEncap(random)),
    changes: [],
  },
  {
    name: "third tenant",
    chance: 0.35,
    add: (topology, random) => networkWith(topology, PROJECTS[2], random, anyEncap(random)),
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
      changeOne(topology, random, all(topology, "port"), (port) => ({
        ...port,
        security: false,
      })),
    changes: [
      (topology, random) => {
        // What a port with port security off has claimed it would have to announce again.
        const able = all(topology, "port").filter((port) => port.security || unclaimed(port));
        return changeOne(topology, random, able, (port) => ({ ...port, security: !port.security }));
      },
    ],
  },
  {
    name: "router",
    chance: 0.9,
    add: withRouter,
    changes: [
      (topology, random) => {
        const router = anyRouter(topology, random);
        if (router === null) return topology;
        const own = networksFor(topology, get(topology, "router", router).project);
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
    add: (topology, random) => farRoute(topology, random, random.between(3, 4)),
    changes: [
      (topology, random) => farRoute(topology, random, random.between(2, 4)),
      withoutMember,
    ],
    first: withoutMember,
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
    add: (topology, random) => withPair(topology, random),
    changes: [(topology, random) => withPair(topology, random), claimed],
  },
  {
    name: "claims without a pair",
    chance: 0.2,
    add: withoutPair,
    changes: [withoutPair],
  },
  {
    name: "claims on provider networks",
    chance: 0.15,
    add: (topology, random) => withPair(topology, random, true),
    changes: [],
  },
  {
    name: "leaks",
    chance: 0.5,
    add: withLeak,
    changes: [withLeak, releaked, dropOne("leak")],
  },
];
