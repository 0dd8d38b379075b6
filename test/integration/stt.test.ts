// STT is refused by central, agent and command line (ADR 0006). This proves that it is right: between two real Open vSwitches, frames
// cross over Geneve, and none of those sent over STT at the same time does. Fails when one day one crosses. Uses no part of Weft.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BROADCAST, udp } from "../lab/frames.ts";
import { type Ovs, startOvs, until } from "../lab/ovs.ts";

const OFPORTS = { geneve: 10, stt: 11 } as const;
type Encap = keyof typeof OFPORTS;

const ADDRESSES = ["192.0.2.1", "192.0.2.2"] as const;
const PROBES = 5;
const VNI = 77;

let dir: string;
let hosts: readonly Ovs[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-stt-"));
  hosts = await Promise.all(
    ADDRESSES.map((_, n) =>
      startOvs({ dir: join(dir, `h${n}`), name: `h${n}`, netns: `wstt${n}-${process.pid}` }),
    ),
  );
  const [first, second] = hosts;
  const peer = ["type", "veth", "peer", "name", "u0", "netns", second?.netns ?? ""];
  await first?.exec("ip", "link", "add", "u0", ...peer);
  await Promise.all(hosts.map((host, n) => wire(host, ADDRESSES[n] ?? "")));
});

afterAll(async () => {
  await Promise.all(hosts.map((host) => host.stop()));
  await rm(dir, { recursive: true, force: true });
});

/** An underlay bridge with the address, and an integration bridge with a port for each encapsulation. */
async function wire(host: Ovs, ip: string): Promise<void> {
  await host.exec("ethtool", "-K", "u0", "tx", "off");
  await host.exec("ip", "link", "set", "u0", "up");
  const bridge = (name: string) => [
    ...["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"],
  ];
  await host.vsctl(
    ...bridge("br-phy").slice(1),
    ...["--", "add-port", "br-phy", "u0"],
    ...[...bridge("br-int"), "fail_mode=secure"],
  );
  await host.exec("ip", "address", "add", `${ip}/24`, "dev", "br-phy");
  await host.exec("ip", "link", "set", "br-phy", "up");
  for (const [encap, ofport] of Object.entries(OFPORTS)) {
    // Without a wait: whether Open vSwitch takes the port, its row says.
    await host.vsctl(
      ...["--no-wait", "add-port", "br-int", encap],
      ...["--", "set", "interface", encap, `type=${encap}`, `ofport_request=${ofport}`],
      ...["options:remote_ip=flow", `options:local_ip=${ip}`, "options:key=flow"],
    );
  }
  // A counter each; what comes in elsewhere would be counted by the last one.
  for (const ofport of Object.values(OFPORTS)) {
    await host.ofctl("add-flow", "br-int", `priority=2,in_port=${ofport},actions=drop`);
  }
  await host.ofctl("add-flow", "br-int", "priority=1,actions=drop");
}

/** Whether Open vSwitch took the port; from 3.6 on it does not know the type. */
async function takes(host: Ovs, encap: Encap): Promise<boolean> {
  let ofport = "";
  await until(`an ofport of ${encap} on ${host.name}`, async () => {
    ofport = await host.vsctl("get", "interface", encap, "ofport");
    return ofport !== "[]";
  });
  return Number(ofport) > 0;
}

async function send(from: Ovs, encap: Encap, to: string): Promise<void> {
  const datagram = { from: "10.0.0.1", to: "255.255.255.255", fromPort: 9, toPort: 9 };
  const frame = udp({ src: "02:00:00:00:00:01", dst: BROADCAST }, datagram);
  const actions = `set_field:${VNI}->tun_id,set_field:${to}->tun_dst,output:${OFPORTS[encap]}`;
  const packet = `in_port=controller packet=${frame.toString("hex")} actions=${actions}`;
  await from.ofctl("packet-out", "br-int", packet);
}

/** Frames that came in, by encapsulation and otherwise. */
async function received(host: Ovs) {
  const flows = await host.ofctl("dump-flows", "br-int", "--no-names");
  const count = (priority: number, inPort: string): number => {
    const line = flows
      .split("\n")
      .find((text) => text.includes(`priority=${priority}${inPort} actions=`));
    return Number(/n_packets=(\d+)/.exec(line ?? "")?.[1] ?? Number.NaN);
  };
  return {
    geneve: count(2, `,in_port=${OFPORTS.geneve}`),
    stt: count(2, `,in_port=${OFPORTS.stt}`),
    other: count(1, ""),
  };
}

test("between two hosts Geneve carries frames, and STT carries none", async () => {
  for (const host of hosts) expect(await takes(host, "geneve")).toBe(true);
  for (const [n, from] of hosts.entries()) {
    const to = hosts[1 - n];
    const ip = ADDRESSES[1 - n];
    if (to === undefined || ip === undefined) throw new Error("two hosts");
    const tried = await takes(from, "stt");
    // Behind every frame over STT one over Geneve: when that has arrived, the other one has had its time.
    await until(`${PROBES} frames over Geneve from ${from.name}`, async () => {
      for (let probe = 0; probe < PROBES; probe++) {
        if (tried) await send(from, "stt", ip);
        await send(from, "geneve", ip);
      }
      // Counters lag behind otherwise.
      await to.appctl("ovs-vswitchd", "revalidator/wait");
      return (await received(to)).geneve >= PROBES;
    });
    expect(
      await received(to),
      "STT carries frames here: lift its refusal in central (validate-network.ts), agent (config.ts) and CLI (kinds.ts), see ADR 0006",
    ).toMatchObject({ stt: 0, other: 0 });
  }
});
