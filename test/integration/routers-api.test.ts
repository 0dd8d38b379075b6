// Routers over real gRPC and a real store: made and removed as one set, status and reasons, refusals with their paths, watch, history,
// restart, and an agent by hand that holds a router. What chassis make of routers is tested elsewhere.
import { credentials, status as Code } from "@grpc/grpc-js";
import {
  GetRequest,
  HistoryRequest,
  Kind,
  ListRequest,
  NorthboundServiceService,
  WatchRequest,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  ApplyResponse,
  Change,
  Network,
  Router,
  RouterInterface,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { Hello, SouthboundServiceClient } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { AgentMessage, CentralMessage } from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { AdminServiceService } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { channelOptions, maxNorthboundBytes } from "@weft/shared/grpc.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../lab/ovs.ts";
import { apply as applyTo, failure } from "./central-calls.ts";
import { LocalCentral } from "./local-central.ts";

const central = new LocalCentral();

beforeAll(() => central.start());
afterAll(() => central[Symbol.asyncDispose]());

const apply = (changes: readonly Change[]): Promise<ApplyResponse> =>
  applyTo(central.north, { changes });

const upsert = ($case: string, id: string, spec: object, project = ""): Change =>
  ({
    change: {
      $case: "upsert",
      value: { object: { $case, value: { meta: { id, name: id, project }, spec } } },
    },
  }) as unknown as Change;
const remove = (kind: Kind, id: string, project = ""): Change => ({
  change: { $case: "delete", value: { kind, id, project } },
});

async function get(kind: Kind, id: string, atRevision = 0n): Promise<unknown> {
  const request = GetRequest.fromPartial({ ref: { kind, id }, atRevision });
  const { object } = await central.call(NorthboundServiceService.get, request);
  return object?.object?.value;
}

const overlay = { type: { $case: "overlay", value: {} } };
const shared = {
  type: { $case: "provider", value: { physicalNetwork: "physical", vlan: 100, shared: true } },
};

/** Two routers of one project joined by n2 and by a link, one of another project on the shared network. Referring ones first. */
const made: readonly [string, Kind, Change, string][] = (
  [
    ["routeLeak", Kind.ROUTE_LEAK, "lk", { from: "x1", to: "r1", prefixes: ["10.9.0.0/24"] }],
    [
      "policyRoute",
      Kind.POLICY_ROUTE,
      "pol",
      { router: "r1", priority: 5, action: { $case: "drop", value: {} } },
    ],
    [
      "route",
      Kind.ROUTE,
      "to3",
      {
        router: "r1",
        destination: "10.3.0.0/24",
        nextHops: [{ ip: "10.2.0.254" }, { ip: "10.1.0.10" }, { ip: "10.1.0.99" }],
      },
    ],
    [
      "route",
      Kind.ROUTE,
      "wan",
      { router: "r1", destination: "0.0.0.0/0", nextHops: [{ ip: "192.0.2.77" }] },
    ],
    ["route", Kind.ROUTE, "hole", { router: "r1", destination: "10.66.0.0/16", blackhole: true }],
    [
      "routerLink",
      Kind.ROUTER_LINK,
      "l12",
      {
        first: { router: "r1", addresses: ["10.255.0.1/30"] },
        second: { router: "r2", addresses: ["10.255.0.2/30"] },
      },
    ],
    [
      "routerInterface",
      Kind.ROUTER_INTERFACE,
      "i11",
      { router: "r1", network: "n1", mac: "0a:57:00:00:00:01" },
    ],
    ["routerInterface", Kind.ROUTER_INTERFACE, "i12", { router: "r1", network: "n2" }],
    ["routerInterface", Kind.ROUTER_INTERFACE, "i1e", { router: "r1", network: "ext" }],
    [
      "routerInterface",
      Kind.ROUTER_INTERFACE,
      "i22",
      { router: "r2", network: "n2", fixedIps: [{ ip: "10.2.0.254" }] },
    ],
    ["routerInterface", Kind.ROUTER_INTERFACE, "ixx", { router: "x1", network: "xn" }, "other"],
    [
      "routerInterface",
      Kind.ROUTER_INTERFACE,
      "ixe",
      { router: "x1", network: "ext", fixedIps: [{ subnet: "se", ip: "" }] },
      "other",
    ],
    ["router", Kind.ROUTER, "r1", {}],
    ["router", Kind.ROUTER, "r2", {}],
    ["router", Kind.ROUTER, "x1", {}, "other"],
    ["port", Kind.PORT, "p1", { network: "n1", fixedIps: [{ ip: "10.1.0.10" }] }],
    ["port", Kind.PORT, "pe", { network: "ext", fixedIps: [{ ip: "192.0.2.77" }] }],
    ["subnet", Kind.SUBNET, "s1", { network: "n1", cidr: "10.1.0.0/24" }],
    ["subnet", Kind.SUBNET, "s16", { network: "n1", cidr: "fd01::/64" }],
    ["subnet", Kind.SUBNET, "s2", { network: "n2", cidr: "10.2.0.0/24" }],
    ["subnet", Kind.SUBNET, "se", { network: "ext", cidr: "192.0.2.0/24" }],
    ["subnet", Kind.SUBNET, "sx", { network: "xn", cidr: "10.9.0.0/24" }, "other"],
    ["network", Kind.NETWORK, "n1", overlay],
    ["network", Kind.NETWORK, "n2", overlay],
    ["network", Kind.NETWORK, "ext", shared],
    ["network", Kind.NETWORK, "xn", overlay, "other"],
  ] as const
).map(([$case, kind, id, spec, project = ""]) => [
  id,
  kind,
  upsert($case, id, spec, project),
  project,
]);

it("makes everything in one set, and says what it is", async () => {
  const { results } = await apply(made.map(([, , change]) => change));
  expect(results).toHaveLength(made.length);

  expect(await get(Kind.ROUTER, "r1")).toMatchObject({
    status: { interfaces: 3, routes: 3, chassis: [] },
  });
  expect(await get(Kind.ROUTER_INTERFACE, "i11")).toMatchObject({
    spec: { fixedIps: [] },
    status: {
      addresses: expect.arrayContaining([
        { subnet: "s1", ip: "10.1.0.1" },
        { subnet: "s16", ip: "fd01::1" },
      ]) as unknown,
      linkLocalIp: "fe80::857:ff:fe00:1",
    },
  });
  expect(await get(Kind.NETWORK, "ext")).toMatchObject({
    spec: { type: { value: { shared: true } } },
  });
});

it("says which next hops of a route can be used, and why not", async () => {
  expect(await get(Kind.ROUTE, "to3")).toMatchObject({
    status: {
      active: true,
      nextHops: [
        {
          ip: "10.1.0.10",
          active: false,
          reason: expect.stringMatching(
            /^port p1 has 10\.1\.0\.10 and is not located: /,
          ) as unknown,
        },
        {
          ip: "10.1.0.99",
          active: false,
          reason:
            "nothing in network n1 is known to have 10.1.0.99: create a port with it, or let one claim it by an allowed pair",
        },
        { ip: "10.2.0.254", active: true, reason: "" },
      ],
    },
  });
  // A provider network makes no difference.
  expect(await get(Kind.ROUTE, "wan")).toMatchObject({
    status: {
      active: false,
      nextHops: [
        {
          reason: expect.stringMatching(/^port pe has 192\.0\.2\.77 and is not located/) as unknown,
        },
      ],
    },
  });
  expect(await get(Kind.ROUTE, "hole")).toMatchObject({ status: { active: true, nextHops: [] } });

  await apply([upsert("router", "r2", { adminDown: true })]);
  expect(await get(Kind.ROUTE, "to3")).toMatchObject({
    status: {
      active: false,
      nextHops: [
        { active: false },
        { active: false },
        { active: false, reason: "router r2 is administratively down: apply it without adminDown" },
      ],
    },
  });
  await apply([upsert("router", "r2", {})]);
  expect(await get(Kind.ROUTE, "to3")).toMatchObject({ status: { active: true } });
});

it("refuses with the path of the field, and changes nothing", async () => {
  const before = await get(Kind.ROUTER, "r1");
  const refused = await failure(
    apply([
      upsert("route", "bad", {
        router: "r1",
        destination: "10.7.0.0/24",
        nextHops: [{ ip: "10.8.0.1" }],
      }),
    ]),
  );
  expect(refused.code).toBe(Code.INVALID_ARGUMENT);
  expect(refused.message).toContain("changes[0].upsert.route.spec.next_hops[0].ip");
  const inUse = await failure(apply([remove(Kind.ROUTER_INTERFACE, "i22")]));
  expect(inUse.code).toBe(Code.FAILED_PRECONDITION);
  expect(inUse.message).toContain("in use by route to3");
  expect(await get(Kind.ROUTER, "r1")).toEqual(before);
});

it("lists by fields, watches, tells history and counts", async () => {
  const { objects } = await central.call(
    NorthboundServiceService.list,
    ListRequest.fromPartial({
      kind: Kind.ROUTE,
      fields: { "spec.router": "r1", "status.active": "true" },
    }),
  );
  expect(objects.map(({ object }) => object?.value.meta?.id)).toEqual(["hole", "to3"]);
  for (const [end, found] of [
    ["first", 1],
    ["second", 0],
  ] as const) {
    const links = await central.call(
      NorthboundServiceService.list,
      ListRequest.fromPartial({
        kind: Kind.ROUTER_LINK,
        fields: { [`spec.${end}.router`]: "r1" },
      }),
    );
    expect(links.objects).toHaveLength(found);
  }

  const { revision } = await apply([upsert("router", "r9", {})]);
  const stream = central.north.watch(
    WatchRequest.fromPartial({ kinds: [Kind.ROUTER], fromRevision: revision }),
  );
  const event = new Promise<WatchResponse>((resolve, reject) => {
    stream.once("data", resolve);
    stream.on("error", reject);
  });
  await apply([remove(Kind.ROUTER, "r9")]);
  expect((await event).object?.object).toMatchObject({
    $case: "router",
    value: { meta: { id: "r9" } },
  });
  stream.removeAllListeners("error").on("error", () => undefined);
  stream.cancel();

  const history = await central.call(
    NorthboundServiceService.history,
    HistoryRequest.fromPartial({ ref: { kind: Kind.ROUTER, id: "r9" } }),
  );
  expect(history.entries.map(({ kind, id }) => [kind, id])).toEqual([
    [Kind.ROUTER, "r9"],
    [Kind.ROUTER, "r9"],
  ]);
  const status = await central.call(AdminServiceService.getStatus, {});
  expect(status.counts).toMatchObject({
    router: 3n,
    "router-interface": 6n,
    route: 3n,
    "route-leak": 1n,
  });
});

it("keeps routers over a restart, and takes everything away in one set", async () => {
  const ids = made.map(([id, kind]) => [id, kind] as const);
  const before = await Promise.all(ids.map(([id, kind]) => get(kind, id)));
  await central.stop();
  await central.start();
  expect(await Promise.all(ids.map(([id, kind]) => get(kind, id)))).toEqual(before);
  // The referred ones first: the order has no meaning.
  await apply(made.toReversed().map(([id, kind, , project]) => remove(kind, id, project)));
  const { counts } = await central.call(AdminServiceService.getStatus, {});
  expect(Object.values(counts).every((count) => count === 0n)).toBe(true);
});

it("says which chassis hold a router, what fails there, and that a next hop is located", async () => {
  await apply(made.map(([, , change]) => change));
  const client = new SouthboundServiceClient(
    central.southbound,
    credentials.createInsecure(),
    channelOptions({ maxMessageBytes: maxNorthboundBytes }),
  );
  const stream = client.connect();
  const held = new Set<string>();
  /** Keys that this agent says it cannot do. */
  const failing = new Set<string>();
  const send = (message: AgentMessage["message"]): boolean => stream.write({ message });
  const ack = (sequence: bigint): boolean => {
    const failed = [...failing].map((key) => ({ key, reason: "the table is full" }));
    return send({
      $case: "ack",
      value: { sequence, failed, failedTotal: 0, driftRepaired: 0n, flows: 1 },
    });
  };
  let last = 0n;
  stream.on("error", () => undefined);
  stream.on("data", ({ message }: CentralMessage) => {
    if (message?.$case !== "chunk") return;
    for (const { key } of message.value.upserts) held.add(key);
    if (message.value.end === undefined) return;
    last = message.value.end.sequence;
    ack(last);
  });
  try {
    const hello = { protocolVersion: 1, schemaVersion: 1, chassis: "c1", hostname: "c1" };
    const encap = { type: EncapType.GENEVE, ip: Buffer.of(192, 0, 2, 1), underlayMtuBytes: 1600 };
    send({ $case: "hello", value: Hello.fromPartial({ ...hello, encaps: [encap] }) });
    const up = { state: PortState.UP, reason: "", generation: 0n, mtuBytes: 0 };
    const reports = ["p1", "pe"].map((portId) => ({ ...up, portId }));
    send({ $case: "portReports", value: { reports, complete: true } });
    await until("c1 to hold r1", async () => {
      const { status } = (await get(Kind.ROUTER, "r1")) as Router;
      return status?.chassis.join() === "c1" && [...held].some((key) => key.startsWith("router/"));
    });
    expect(await get(Kind.ROUTER, "x1", 0n)).toMatchObject({ status: { chassis: [] } });
    expect(await get(Kind.ROUTE, "to3")).toMatchObject({
      status: { nextHops: [{ ip: "10.1.0.10", active: true, reason: "" }, {}, {}] },
    });
    // c1 is not on the wire of the provider network.
    expect(await get(Kind.ROUTE, "wan")).toMatchObject({
      status: {
        active: false,
        nextHops: [
          { reason: "not on chassis c1: map physical network physical to a bridge there" },
        ],
      },
    });

    const router = (await get(Kind.ROUTER, "r1")) as Router;
    const network = (await get(Kind.NETWORK, "n1")) as Network;
    const key = `router/${router.status?.key}/interface/${network.status?.key}`;
    expect(held).toContain(key);
    failing.add(key);
    ack(last);
    const failed = [{ chassis: "c1", failed: [{ key, reason: "the table is full" }] }];
    await until("the failure to be told", async () => {
      const { status } = (await get(Kind.ROUTER_INTERFACE, "i11")) as RouterInterface;
      return JSON.stringify(status?.failed) === JSON.stringify(failed);
    });
    expect(await get(Kind.ROUTER_INTERFACE, "i12")).toMatchObject({ status: { failed: [] } });
  } finally {
    stream.cancel();
    client.close();
  }
});
