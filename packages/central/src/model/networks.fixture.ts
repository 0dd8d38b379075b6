// The networks, subnets and ports that the tests of their validation begin with, and what is refused there.

import { network, port, provider, subnet } from "../store/transactor.fixture.ts";
import { refusedIn } from "./plan.fixture.ts";

/** n1 has both families; n2 has a subnet of one address, which port `full` has. */
export const world = [
  network("n1", { id: "n1" }),
  network("n2", { id: "n2" }),
  provider("phys", "provider", 100),
  subnet("s4", { cidr: "10.0.0.0/24" }, { id: "s4" }),
  subnet("s6", { cidr: "fd00::/64" }, { id: "s6" }),
  subnet("tiny", { network: "n2", cidr: "10.2.0.0/30" }, { id: "tiny" }),
  port(
    "p1",
    { mac: "0a:00:00:00:00:01", fixedIps: [{ subnet: "", ip: "10.0.0.10" }] },
    { id: "p1" },
  ),
  port("full", { network: "n2" }, { id: "full" }),
];

/** Refused in this world, for these reasons, and nothing is changed. */
export const expectRefused = refusedIn(world);
