// Frames on the wire: the generated decoder reads what was put together by hand, in chunks within their bounds.
import { CentralMessage } from "@weft/shared/gen/weft/v1/southbound.ts";
import { expect, test } from "vitest";
import { FrameChunks, type FrameContent, FrameEncoder, MAX_PIECES } from "./frames.ts";

const end = { sequence: 5n, revision: 4n, inSync: true, adopted: false };

function encode(given: FrameContent, encoder: FrameEncoder): Buffer[] {
  const chunks = new FrameChunks(given, encoder);
  const encoded: Buffer[] = [];
  do encoded.push(chunks.next());
  while (!chunks.isDone);
  return encoded;
}

function decode(chunks: readonly Buffer[]) {
  return chunks.map((bytes) => {
    const { message } = CentralMessage.decode(bytes);
    if (message?.$case !== "chunk") throw new Error("not a chunk");
    return message.value;
  });
}

function frame(count: number, bodyBytes: number) {
  const keys = Array.from({ length: count }, (_, at) => `network/1/location/${at}`);
  const bodies = keys.map((_, at) => (at % 10 === 9 ? undefined : Buffer.alloc(bodyBytes, at)));
  return { keys, bodies, dropScopes: ["network/2"], end };
}

for (const [count, bodyBytes, chunks] of [
  [0, 0, 1],
  [10, 40, 1],
  [2000, 40, 8],
  [300, 8000, 5],
] as const) {
  test(`${count} instructions of ${bodyBytes} bytes go out in ${chunks} chunks`, () => {
    const given = frame(count, bodyBytes);
    const encoded = encode(given, new FrameEncoder());
    const decoded = decode(encoded);
    expect(encoded).toHaveLength(chunks);
    for (const bytes of encoded) expect(bytes.length).toBeLessThan(540_000);
    const upserts = decoded.flatMap((chunk) => chunk.upserts);
    const expected = given.keys.flatMap((key, at) => {
      const body = given.bodies[at];
      return body === undefined ? [] : [{ key, body }];
    });
    expect(upserts).toEqual(expected);
    expect(decoded.flatMap((chunk) => chunk.deletes)).toEqual(
      given.keys.filter((_, at) => given.bodies[at] === undefined),
    );
    expect(decoded[0]?.dropScopes).toEqual(["network/2"]);
    expect(decoded.map((chunk) => chunk.end)).toEqual([
      ...Array.from({ length: chunks - 1 }, () => undefined),
      end,
    ]);
  });
}

test("what goes to several sessions of a turn is encoded once", () => {
  const encoder = new FrameEncoder();
  const body = Buffer.from("body");
  const one = { keys: ["network/1/config"], bodies: [body], dropScopes: [], end };
  const first = encode(one, encoder);
  expect(encode({ ...one, keys: [...one.keys], end: { ...end } }, encoder)[0]).toBe(first[0]);
  expect(decode(encode({ ...one, dropScopes: ["network/2"] }, encoder))[0]?.upserts).toHaveLength(
    1,
  );
  expect(encoder.encoded).toBe(1);
});

test("what is kept is bounded, should the turns of all sessions never end", () => {
  const encoder = new FrameEncoder();
  const bodies = Array.from({ length: MAX_PIECES + 1 }, (_, at) => Buffer.from(String(at)));
  for (const body of [...bodies, ...bodies.slice(0, 1)]) encoder.upsert("network/1/config", body);
  expect(encoder.encoded).toBe(bodies.length + 1);
});

test("a frame that differs in anything is not taken for the one before", () => {
  const encoder = new FrameEncoder();
  const [body, other] = [Buffer.from("body"), Buffer.from("other")];
  const keys = ["network/1/config", "network/1/location/2"];
  const one = { keys, bodies: [body, undefined], dropScopes: ["network/2"], end };
  const others: FrameContent[] = [
    { ...one, keys: [...keys].reverse(), bodies: [undefined, body] },
    { ...one, keys: ["network/1/config"], bodies: [body] },
    { ...one, bodies: [other, undefined] },
    { ...one, bodies: [undefined, undefined] },
    { ...one, dropScopes: [] },
    { ...one, dropScopes: ["network/3"] },
    { ...one, end: { ...end, sequence: 6n } },
    { ...one, end: { ...end, revision: 5n } },
    { ...one, end: { ...end, inSync: false } },
    { ...one, end: { ...end, adopted: true } },
  ];
  for (const frame of others) {
    encode(one, encoder);
    expect(encode(frame, encoder)).toEqual(encode(frame, new FrameEncoder()));
  }
});
