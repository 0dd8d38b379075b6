// A small central for the tests of the command line: real gRPC services on a unix socket with fixed
// objects and answers that the tests steer. Decides nothing itself; used by tests only.
import type { sendUnaryData, ServerWritableStream } from "@grpc/grpc-js";
import { Server, status as Code } from "@grpc/grpc-js";
import type {
  ApplyRequest,
  ApplyResponse,
  Chassis,
  HistoryRequest,
  ListRequest,
  NorthboundServiceServer,
  WatchRequest,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  ChangeAction,
  EventType,
  HistoryResponse,
  Kind,
  ListResponse,
  Liveness,
  NorthboundServiceService,
  Object as WeftObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  AdminServiceServer,
  OrchestrationServiceServer,
  TraceRequest,
  VerifyResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import {
  AdminServiceService,
  GetStatusResponse,
  OrchestrationServiceService,
  TraceResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { refusal, serverOptions } from "@weft/shared/grpc.ts";
import { plaintextServerCredentials } from "@weft/shared/tls.ts";

/** What the tests steer, and what they look at. */
export interface CentralState {
  applied: ApplyRequest | undefined;
  listed: ListRequest[];
  /** Requests for history; it has two entries, one a page. */
  histories: HistoryRequest[];
  onApply: (request: ApplyRequest) => ApplyResponse | ReturnType<typeof refusal>;
  verified: VerifyResponse[];
  traced: TraceRequest | undefined;
  trace: TraceResponse;
  /** Watch streams so far; the first is broken off after two events, later ones are refused. */
  watches: number;
  /** In its status, beside its own. */
  moreChassis: readonly Chassis[];
  moreCounts: Readonly<Record<string, bigint>>;
}

/** Applies everything at revision 12. */
export function freshState(): CentralState {
  return {
    applied: undefined,
    listed: [],
    histories: [],
    onApply: ({ changes }) => ({
      revision: 12n,
      results: changes.map(({ change }) => ({
        action: change?.$case === "delete" ? ChangeAction.DELETED : ChangeAction.CREATED,
        object: change?.$case === "upsert" ? change.value : ports[0],
      })),
      realization: undefined,
    }),
    verified: [],
    traced: undefined,
    trace: TraceResponse.fromPartial({}),
    watches: 0,
    moreChassis: [],
    moreCounts: {},
  };
}

const unimplemented = (_: unknown, answer: sendUnaryData<never>): void =>
  answer({ code: Code.UNIMPLEMENTED });

const port = (name: string, state: PortState, reason = ""): WeftObject =>
  WeftObject.fromPartial({
    object: {
      $case: "port",
      value: {
        meta: { id: name, project: "red", name, labels: { app: "web" }, revision: 7n },
        spec: {
          network: "net",
          mac: "02:00:00:00:00:01",
          fixedIps: [{ subnet: "s4", ip: "10.0.0.5" }],
        },
        status: { state, reason, chassis: "chassis-a", key: 9, mtuBytes: 1434 },
      },
    },
  });
const ports = [
  port("web-1", PortState.UP),
  port("web-2", PortState.DOWN, "no interface with iface-id web-2 on chassis-a; plug it"),
];
const chassis = {
  meta: { id: "chassis-a", name: "chassis-a" },
  spec: {
    encaps: [{ type: EncapType.GENEVE, ip: Buffer.from([192, 0, 2, 1]), underlayMtuBytes: 1500 }],
  },
  status: {
    key: 1,
    liveness: Liveness.ALIVE,
    realizedRevision: 11n,
    pending: 2,
    flows: 40,
    waitingFor: "another store",
  },
};

const router = WeftObject.fromPartial({
  object: {
    $case: "router",
    value: {
      meta: { id: "r-1", project: "red", name: "core" },
      spec: {},
      status: { key: 1, chassis: ["chassis-a", "chassis-b"] },
    },
  },
});

/** Serves at `address` until the server is shut down. */
export async function serveCentral(address: string, state: CentralState): Promise<Server> {
  const northbound: NorthboundServiceServer = {
    apply: ({ request }, answer) => {
      state.applied = request;
      const response = state.onApply(request);
      if ("code" in response) answer(response);
      else answer(null, response);
    },
    get: ({ request }, answer) => {
      const found = request.ref?.id === "web-1" ? ports[0] : undefined;
      if (request.ref?.kind === Kind.ROUTER) answer(null, { object: router, revision: 12n });
      else if (request.ref?.kind === Kind.CHASSIS) {
        answer(null, {
          object: WeftObject.fromPartial({ object: { $case: "chassis", value: chassis } }),
          revision: 12n,
        });
      } else if (found === undefined) {
        answer(
          refusal(Code.NOT_FOUND, `port ${request.ref?.id}: does not exist; see weft list ports`),
        );
      } else answer(null, { object: found, revision: 12n });
    },
    list: ({ request }, answer) => {
      state.listed.push(request);
      const first = request.pageToken === "";
      const objects = request.kind === Kind.PORT ? [first ? ports[0] : ports[1]] : [];
      const nextPageToken = first && request.kind === Kind.PORT ? "more" : "";
      answer(
        null,
        ListResponse.fromPartial({
          objects: objects.filter((o) => o !== undefined),
          nextPageToken,
          revision: 12n,
        }),
      );
    },
    watch: (call: ServerWritableStream<WatchRequest, WatchResponse>) => {
      const object = ports[0];
      call.write({ type: EventType.UPSERT, object, revision: call.request.fromRevision + 1n });
      call.write({
        type: EventType.BOOKMARK,
        object: undefined,
        revision: call.request.fromRevision + 2n,
      });
      state.watches += 1;
      call.emit(
        "error",
        refusal(
          state.watches === 1 ? Code.UNAVAILABLE : Code.OUT_OF_RANGE,
          "oldest revision is 5; list again",
        ),
      );
    },
    history: ({ request }, answer) => {
      state.histories.push(request);
      const isFirst = request.pageToken === "";
      const entry = {
        revision: isFirst ? 7n : 6n,
        at: new Date(0),
        actor: "operator:ann",
        comment: "why",
        action: ChangeAction.CREATED,
        kind: Kind.PORT,
        id: "web-1",
      };
      const nextPageToken = isFirst ? "more" : "";
      const response = { entries: [entry], oldestRevision: 1n, nextPageToken };
      answer(null, HistoryResponse.fromPartial(response));
    },
  };
  const admin: AdminServiceServer = {
    getStatus: (_, answer) =>
      answer(
        null,
        GetStatusResponse.fromPartial({
          storeId: "s-1",
          revision: 12n,
          epoch: 3n,
          sequence: 40n,
          oldestRevision: 1n,
          convergedRevision: 11n,
          chassis: [chassis, ...state.moreChassis],
          portsByState: [0, 1, 0, 0, 5],
          counts: {
            claim: 3n,
            liveness: 1n,
            port: 6n,
            network: 2n,
            chassis: 1n,
            ...state.moreCounts,
          },
          scopes: Array.from({ length: 7 }, (_, at) => ({
            scope: `network/${at + 1}`,
            object: `network n${at + 1}`,
            chassis: 12 - at,
            instructions: 100,
          })),
          scopeCount: 9n,
          deliveries: 6403n,
          writeState: "READY",
          eventLoopP99Ms: 1.25,
        }),
      ),
    verify: (call) => {
      for (const response of state.verified) call.write(response);
      call.end();
    },
    adoptChassis: (_, answer) => answer(null, {}),
    declareLost: (_, answer) => answer(null, { revision: 13n }),
    portFlows: (_, answer) =>
      answer(null, {
        chassis: "chassis-a",
        flows: [
          {
            flow: "cookie=0x5700200000090001,table=0,in_port=3 actions=resubmit(,10)",
            cookie: 0x5700_2000_0009_0001n,
            origin: "classify port web-1",
            packets: 4n,
          },
        ],
      }),
    trace: ({ request }, answer) => {
      state.traced = request;
      answer(null, state.trace);
    },
    explainCookie: ({ request }, answer) =>
      answer(null, {
        stage: "classify",
        kind: Kind.PORT,
        id: "web-1",
        text: `cookie ${request.cookie}`,
      }),
    backup: ({ request }, answer) =>
      answer(null, { bytes: BigInt(request.path.length), revision: 12n }),
  };
  const orchestration: OrchestrationServiceServer = {
    plugPort: unimplemented,
    unplugPort: unimplemented,
    waitPortReady: ({ request }, answer) =>
      answer(
        refusal(Code.DEADLINE_EXCEEDED, `no interface with iface-id ${request.port} on chassis-a`),
      ),
  };
  const server = new Server(serverOptions({ maxMessageBytes: 1 << 20 }));
  server.addService(NorthboundServiceService, northbound);
  server.addService(AdminServiceService, admin);
  server.addService(OrchestrationServiceService, orchestration);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, plaintextServerCredentials(address), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return server;
}
