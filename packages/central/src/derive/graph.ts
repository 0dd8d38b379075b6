// WIRING of derivation: all derived tables in rank order. A table reads rows, indexes and the tables that stand before it.
//
//   network port chassis binding claim liveness subnet                       (rows of the model)
//     |
//   placement   encap-mtu -> network-mtu                                     (intermediate)
//     |-> subscription            |-> local-port, network-config
//     |-> fences -> fenced-peer
//     |-> located -> location
//            |-> presence -> relayed -> network-config
//            |       |-> flood-peer
//            |-> claimed -> address-owner

import { addressOwner } from "./tables/address-owner.ts";
import { chassisConfig } from "./tables/chassis-config.ts";
import { claimed } from "./tables/claimed.ts";
import { encapMtu } from "./tables/encap-mtu.ts";
import { fencedPeer } from "./tables/fenced-peer.ts";
import { fences } from "./tables/fences.ts";
import { floodPeer } from "./tables/flood-peer.ts";
import { localPort } from "./tables/local-port.ts";
import { located } from "./tables/located.ts";
import { location } from "./tables/location.ts";
import { networkConfig } from "./tables/network-config.ts";
import { networkMtu } from "./tables/network-mtu.ts";
import { placement } from "./tables/placement.ts";
import { presence } from "./tables/presence.ts";
import { relayed } from "./tables/relayed.ts";
import { subscription } from "./tables/subscription.ts";

/** In rank order. */
export const graph = [
  placement,
  encapMtu,
  networkMtu,
  located,
  presence,
  relayed,
  claimed,
  subscription,
  fences,
  chassisConfig,
  localPort,
  networkConfig,
  location,
  floodPeer,
  addressOwner,
  fencedPeer,
] as const;
