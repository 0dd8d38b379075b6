// WIRING of derivation: all derived tables in rank order. A table reads rows, indexes and the tables that stand before it.
//
//   network port chassis binding claim liveness subnet                       (rows of the model)
//   router router-interface router-link route policy-route route-leak
//     |
//   placement   encap-mtu -> network-mtu   segment -> leak -> leaked-network  (intermediate)
//     |   |                     |-> local-port, network-config, router-port, leaked-route
//     |   |-> subscription (chassis, network, flood)
//     |   |-> fences -> fenced-peer
//     |-> located (leaked-network)
//     |      |-> location
//     |      |-> presence -> relayed -> network-config
//     |      |       |-> flood-peer
//     |      |-> open-network -> network-config
//     |      |-> claimed (placement, segment) -> address-owner (located)
//     |      |-> neighbour (claimed, routers-on, leak) -> router-neighbour
//     |
//     |-> hosted (routers-on) -> reach (adjacent) -> hears -> subscription (router, network, flood)
//
//   segment -> routers-on
//      |-> adjacent (open-network, routers-on)
//      |-> network-config, router-port
//      |-> leak -> leaked-route
//      |-> connected -> next-hop -> static-route, policy-rule
//   rule -> static-route, policy-rule              router -> router-config

import { addressOwner } from "./tables/address-owner.ts";
import { adjacent } from "./tables/adjacent.ts";
import { chassisConfig } from "./tables/chassis-config.ts";
import { claimed } from "./tables/claimed.ts";
import { connected } from "./tables/connected.ts";
import { encapMtu } from "./tables/encap-mtu.ts";
import { fencedPeer } from "./tables/fenced-peer.ts";
import { fences } from "./tables/fences.ts";
import { floodPeer } from "./tables/flood-peer.ts";
import { hears } from "./tables/hears.ts";
import { hosted } from "./tables/hosted.ts";
import { leak } from "./tables/leak.ts";
import { leakedNetwork } from "./tables/leaked-network.ts";
import { leakedRoute } from "./tables/leaked-route.ts";
import { localPort } from "./tables/local-port.ts";
import { located } from "./tables/located.ts";
import { location } from "./tables/location.ts";
import { neighbour } from "./tables/neighbour.ts";
import { networkConfig } from "./tables/network-config.ts";
import { networkMtu } from "./tables/network-mtu.ts";
import { nextHop } from "./tables/next-hop.ts";
import { openNetwork } from "./tables/open-network.ts";
import { placement } from "./tables/placement.ts";
import { policyRule } from "./tables/policy-rule.ts";
import { presence } from "./tables/presence.ts";
import { reach } from "./tables/reach.ts";
import { relayed } from "./tables/relayed.ts";
import { routerConfig } from "./tables/router-config.ts";
import { routerNeighbour } from "./tables/router-neighbour.ts";
import { routerPort } from "./tables/router-port.ts";
import { routersOn } from "./tables/routers-on.ts";
import { rule } from "./tables/rule.ts";
import { segment } from "./tables/segment.ts";
import { staticRoute } from "./tables/static-route.ts";

/** In rank order. */
export const graph = [
  placement,
  encapMtu,
  networkMtu,
  segment,
  routersOn,
  leak,
  leakedNetwork,
  located,
  openNetwork,
  presence,
  relayed,
  claimed,
  fences,
  connected,
  nextHop,
  rule,
  neighbour,
  adjacent,
  hosted,
  reach,
  hears,
  chassisConfig,
  localPort,
  networkConfig,
  location,
  floodPeer,
  addressOwner,
  fencedPeer,
  routerConfig,
  routerPort,
  staticRoute,
  policyRule,
  routerNeighbour,
  leakedRoute,
] as const;
