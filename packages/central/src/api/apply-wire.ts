// Apply and other large answers on the wire, in slices: generators over the generated codecs, which alone know the fields. A message
// may be cut between its fields: encodings of parts, one after the other, are the encoding of the whole (protobuf, "last one wins").
// Called by northbound.ts, which runs them with slices.ts.

import { createHash } from "node:crypto";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { status as Code } from "@grpc/grpc-js";
import {
  ApplyRequest,
  ApplyResponse,
  Change,
  WaitLevel,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { maxChanges, maxObjectBytes } from "./limits.ts";
import { Refused } from "./status.ts";

/** The request of a call, undecoded: what a method receives that is registered with RequestBytes.from. */
export class RequestBytes {
  static readonly from = (bytes: Buffer): RequestBytes => new RequestBytes(bytes);
  readonly length: number;
  #bytes: Buffer | null;
  /** Told when nothing of the request is needed any more; set by whoever counts bytes in flight. */
  onDone: () => void = () => undefined;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  /** Once: grpc-js keeps this object until the call ends, and must not keep the bytes. */
  take(): Buffer {
    const bytes = this.#bytes;
    if (bytes === null) throw new Error("the bytes of a request were taken already");
    this.#bytes = null;
    return bytes;
  }

  /** Nobody will take them. */
  drop(): void {
    this.#bytes = null;
  }
}

export interface DecodedApply {
  /** Of more than maxChanges, the first of them. */
  readonly request: ApplyRequest;
  readonly changeCount: number;
  /** Position -> bytes of changes that are above maxObjectBytes; in the request they are empty. */
  readonly oversized: ReadonlyMap<number, number>;
}

const changesTag = 10;
const upsertTag = 10;

/** Throws Refused (INTERNAL, as for any message that cannot be read). */
export function* decodeApply(bytes: Buffer): Generator<void, DecodedApply> {
  try {
    return yield* decode(bytes);
  } catch (error) {
    const text = `the request is no weft.v1.ApplyRequest: ${(error as Error).message}: update the client`;
    throw new Refused(Code.INTERNAL, text);
  }
}

function* decode(bytes: Buffer): Generator<void, DecodedApply> {
  const reader = new BinaryReader(bytes);
  const changes: Change[] = [];
  const oversized = new Map<number, number>();
  // Everything else is small: comment and key are cut out as they stand, and decoded at the end.
  const rest: Buffer[] = [];
  let changeCount = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const wireType: WireType = tag & 7;
    if (tag !== changesTag) {
      reader.skip(wireType, tag >>> 3);
      // Fields that the contract does not know are left out.
      if (tag >>> 3 <= lastField) rest.push(bytes.subarray(start, reader.pos));
    } else if (changeCount++ >= maxChanges) {
      reader.skip(WireType.LengthDelimited);
    } else {
      const lengthAt = reader.pos;
      const length = reader.uint32();
      const objectBytes = length > maxObjectBytes ? bytesOfChange(bytes, reader.pos, length) : 0;
      if (objectBytes <= maxObjectBytes) {
        changes.push(Change.decode(reader, length));
      } else {
        reader.pos = lengthAt;
        reader.skip(WireType.LengthDelimited);
        oversized.set(changes.length, objectBytes);
        changes.push({ change: undefined });
      }
    }
    yield;
  }
  const request = ApplyRequest.decode(Buffer.concat(rest));
  request.changes = changes;
  return { request, changeCount, oversized };
}

/** The highest field number of ApplyRequest. */
const lastField = 7;

/** Bytes of the object in a change that is nothing but an upsert, else of the change. */
function bytesOfChange(bytes: Buffer, at: number, length: number): number {
  const reader = new BinaryReader(bytes.subarray(at, at + length));
  if (reader.uint32() !== upsertTag) return length;
  const inner = reader.uint32();
  return reader.pos + inner === length ? inner : length;
}

/** Items encoded between two yields: each may have 256 KiB. */
const SLICE = 8;

/** Encodes `items` a few at a time and copies the parts, behind `head`, into one buffer. */
export function* encodeParts<T>(
  head: Uint8Array,
  items: readonly T[],
  encode: (items: readonly T[]) => Uint8Array,
): Generator<void, Buffer> {
  const parts = [head];
  let { length } = head;
  for (let from = 0; from < items.length; from += SLICE) {
    const part = encode(items.slice(from, from + SLICE));
    parts.push(part);
    length += part.length;
    yield;
  }
  const whole = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
    yield;
  }
  return whole;
}

/** An answer of a revision alone, before its results. */
export function encodeRevision(revision: bigint): Uint8Array {
  return ApplyResponse.encode({ revision, results: [], realization: undefined }).finish();
}

/** The revision of an answer that begins with encodeRevision(). */
export function revisionOf(response: Uint8Array): bigint {
  const reader = new BinaryReader(response);
  return reader.pos < reader.len && reader.uint32() === 8 ? (reader.uint64() as bigint) : 0n;
}

/** What must be equal when a key comes again, as a digest: everything but how the caller waits. */
export function* repeatableDigest(request: ApplyRequest): Generator<void, Uint8Array> {
  const hash = createHash("sha256");
  const head = { ...request, idempotencyKey: "", wait: WaitLevel.UNSPECIFIED, waitTimeoutMs: 0 };
  for (let from = 0; from < request.changes.length; from += SLICE) {
    const changes = request.changes.slice(from, from + SLICE).map(withSortedLabels);
    hash.update(ApplyRequest.encode({ ...emptyRequest, changes }).finish());
    yield;
  }
  hash.update(ApplyRequest.encode({ ...head, changes: [] }).finish());
  return hash.digest();
}

const emptyRequest: ApplyRequest = ApplyRequest.fromPartial({});

/** Maps have no order on the wire. */
function withSortedLabels(change: Change): Change {
  if (change.change?.$case !== "upsert") return change;
  const { object } = change.change.value;
  const labels = Object.entries(object?.value.meta?.labels ?? {});
  if (object === undefined || labels.length < 2) return change;
  const sorted = Object.fromEntries(labels.sort(([a], [b]) => (a < b ? -1 : 1)));
  const copy = {
    ...object,
    value: { ...object.value, meta: { ...object.value.meta, labels: sorted } },
  };
  return { change: { $case: "upsert", value: { object: copy as typeof object } } };
}
