// The framer against whole, split, joined and hostile input.
import fc from "fast-check";
import { expect, test } from "vitest";
import { nothingOrProtocolError } from "./errors.fixture.ts";
import { OvsdbProtocolError } from "./errors.ts";
import { JsonFramer } from "./framing.ts";

const limits = { maxMessageBytes: 1_000, maxDepth: 10 };

function frame(chunks: readonly Buffer[], with_ = limits): string[] {
  const framer = new JsonFramer(with_);
  return chunks.flatMap((chunk) => [...framer.push(chunk)]);
}

const cases: readonly [name: string, input: string, expected: readonly string[]][] = [
  ["one", '{"a":1}', ['{"a":1}']],
  ["two back to back", '{"a":1}{"b":2}', ['{"a":1}', '{"b":2}']],
  ["white space between", ' {"a":1}\n\t\r {"b":2} ', ['{"a":1}', '{"b":2}']],
  ["braces in strings", '{"a":"}{]["}', ['{"a":"}{]["}']],
  ["escaped quote", '{"a":"\\"}"}{}', ['{"a":"\\"}"}', "{}"]],
  ["escaped backslash ends the string", '{"a":"\\\\"}{}', ['{"a":"\\\\"}', "{}"]],
  ["arrays", '{"a":[{"b":[]}]}', ['{"a":[{"b":[]}]}']],
  ["incomplete", '{"a":', []],
];

test.each(cases)("%s", (_name, input, expected) => {
  expect(frame([Buffer.from(input)])).toEqual(expected);
  expect(frame([...Buffer.from(input)].map((byte) => Buffer.from([byte])))).toEqual(expected);
});

test.each([
  ["garbage", "GET / HTTP/1.1\r\n"],
  ["array at top", "[1]"],
  ["closing first", "}"],
  ["binary", "\u0000\u0001"],
  ["deep nesting", `{"a":${"[".repeat(11)}`],
  ["too long, complete", `{"a":"${"x".repeat(1_000)}"}`],
  ["too long, never ending", `{"a":"${"x".repeat(2_000)}`],
])("refuses %s", (_name, input) => {
  expect(() => frame([Buffer.from(input)])).toThrow(OvsdbProtocolError);
});

test("an endless message never holds more than the limit", () => {
  const framer = new JsonFramer(limits);
  const chunk = Buffer.from('"x"'.repeat(30));
  let pushed = 0;
  expect(() => {
    drain(framer, Buffer.from("{"));
    for (; pushed < 1_000; pushed++) {
      drain(framer, chunk);
      expect(framer.pendingBytes).toBeLessThanOrEqual(limits.maxMessageBytes);
    }
  }).toThrow(OvsdbProtocolError);
  expect(pushed).toBeLessThan(20);
});

const big = { maxMessageBytes: 1_000_000, maxDepth: 200 };

test("any objects, cut anywhere, come out as they went in", () => {
  const objects = fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(objects, fc.array(fc.integer({ min: 1, max: 40 })), (messages, cuts) => {
      const texts = messages.map((message) => JSON.stringify(message));
      const bytes = Buffer.from(texts.join(""));
      const chunks: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(bytes.subarray(at, at + cut));
        at += cut;
      }
      chunks.push(bytes.subarray(at));
      expect(frame(chunks, big)).toEqual(texts);
    }),
  );
});

test("arbitrary bytes give messages or a protocol error, never anything else", () => {
  const structural = fc.constantFrom(...'{}[]",:\\ \n1tn'.split("")).map((c) => c.charCodeAt(0));
  const bytes = fc.array(fc.oneof(structural, fc.integer({ min: 0, max: 255 })), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 8 }), (chunks) => {
      expect(
        nothingOrProtocolError(() => {
          frame(chunks.map((chunk) => Buffer.from(chunk)));
        }),
      ).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("a long message in small chunks comes out whole", () => {
  const text = JSON.stringify({ rows: Array.from({ length: 100_000 }, (_, i) => `row "${i}" {`) });
  const bytes = Buffer.from(text);
  const framer = new JsonFramer({ maxMessageBytes: 64 * 1024 * 1024, maxDepth: 64 });
  let found = "";
  for (let at = 0; at < bytes.length; at += 1_000) {
    for (const message of framer.push(bytes.subarray(at, at + 1_000))) found = message;
  }
  expect(found).toBe(text);
});

function drain(framer: JsonFramer, chunk: Buffer): string[] {
  return [...framer.push(chunk)];
}
