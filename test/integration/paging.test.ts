// Pages of List, of List as of a revision and of History over real gRPC, read by a client with gRPC's own limits: more objects than fit
// into one message come in pages, each once. And what central does when its disk fails under it.
import { execFileSync } from "node:child_process";
import { status as Code } from "@grpc/grpc-js";
import {
  HistoryRequest,
  Kind,
  ListRequest,
  NorthboundServiceClient,
  NorthboundServiceService,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { unary } from "@weft/shared/grpc.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apply, deadlineMs, failure, network } from "./central-calls.ts";
import { RunningCentral } from "./running-central.ts";

const count = 600;
const labels = Object.fromEntries(
  Array.from({ length: 60 }, (_, at) => [`k${at}`, "x".repeat(200)]),
);
const names = Array.from({ length: count }, (_, at) => `n${at}`).sort();
/** What a gRPC client receives that says nothing. */
const plainClient = { "grpc.max_receive_message_length": 4 * 1024 * 1024 };

let central: RunningCentral;
let ann: NorthboundServiceClient;

beforeAll(async () => {
  central = await RunningCentral.start(["operator:ann"]);
  ann = central.client(NorthboundServiceClient, "northbound", "operator:ann", plainClient);
  const writer = central.client(NorthboundServiceClient, "northbound", "operator:ann");
  await apply(writer, { changes: names.map((name) => network(name, labels)) });
});
afterAll(() => central[Symbol.asyncDispose]());

const idOf = ({ object }: WeftObject): string => object?.value.meta?.id ?? "";

/** Ids of all pages. */
async function pages(
  read: (pageToken: string) => Promise<{ ids: string[]; next: string }>,
): Promise<string[][]> {
  const all: string[][] = [];
  let token = "";
  do {
    const { ids, next } = await read(token);
    all.push(ids);
    token = next;
  } while (token !== "");
  return all;
}

describe("more than one message holds", () => {
  it.each([["List", 0n] as const, ["List as of a revision", 1n] as const])(
    "%s comes in pages, each object once",
    async (_, atRevision) => {
      const read = await pages(async (pageToken) => {
        const fields = { kind: Kind.NETWORK, pageSize: 10_000, pageToken, atRevision };
        const request = ListRequest.fromPartial(fields);
        const answer = await unary(ann, NorthboundServiceService.list, request, { deadlineMs });
        return { ids: answer.objects.map(idOf), next: answer.nextPageToken };
      });
      expect(read.length).toBeGreaterThan(3);
      expect(read.flat()).toEqual(names);
    },
  );

  it("History comes in pages, each change once", async () => {
    const read = await pages(async (pageToken) => {
      const request = HistoryRequest.fromPartial({ limit: 10_000, pageToken });
      const answer = await unary(ann, NorthboundServiceService.history, request, { deadlineMs });
      return { ids: answer.entries.map(({ id }) => id), next: answer.nextPageToken };
    });
    expect(read.length).toBeGreaterThan(3);
    expect(read.flat()).toEqual(names.toReversed());
  });

  it("a token of another query is refused by its field", async () => {
    const history = (fields: object) =>
      unary(ann, NorthboundServiceService.history, HistoryRequest.fromPartial(fields), {
        deadlineMs,
      });
    const { nextPageToken } = await history({ limit: 1 });
    const ref = { kind: Kind.NETWORK, id: "n1" };
    const error = await failure(history({ ref, pageToken: nextPageToken }));
    expect(error.code).toBe(Code.INVALID_ARGUMENT);
    expect(error.violations[0]?.field).toBe("page_token");
  });
});

it("a disk that fails under a write ends the process with a bug's status, and says what failed", async () => {
  await using failing = await RunningCentral.start(["operator:ann"]);
  const client = failing.client(NorthboundServiceClient, "northbound", "operator:ann");
  await apply(client, { changes: [network("before")] });
  execFileSync("prlimit", ["--pid", String(failing.pid), `--fsize=${256 * 1024}:`]);
  const error = await failure(
    apply(client, { changes: names.map((name) => network(name, labels)) }),
  );
  expect(error.code).toBe(Code.UNAVAILABLE);
  expect(await failing.exited).toBe(70);
  expect(failing.log).toMatch(/writing .*central\.db or its -wal failed \(SQLITE_IOERR_WRITE\)/);
});
