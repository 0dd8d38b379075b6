// A frame as bytes: chunks of bounded size, ready to be written. What the sessions of a turn have in common is encoded once; a chunk
// is put together from pieces, because protobuf fields of one message may be concatenated. Called by session.ts.

import { FrameChunk, type FrameEnd } from "@weft/shared/gen/weft/v1/southbound.ts";

/** Instructions in a chunk, and its size in bytes; a message may have 1 MiB. */
const CHUNK_INSTRUCTIONS = 256;
const CHUNK_BYTES = 512 * 1024;

/** Encoded instructions that are kept: while there is always somebody with more to write, a turn of all has no end. */
export const MAX_PIECES = 16_384;

/** CentralMessage.chunk, wire type 2. */
const CHUNK_TAG = 0x12;

/** What goes out as a whole. The bodies are as they were when it was frozen. */
export interface FrameContent {
  readonly keys: readonly string[];
  /** By position in keys; undefined = deleted. */
  readonly bodies: readonly (Buffer | undefined)[];
  readonly dropScopes: readonly string[];
  readonly end: FrameEnd;
}

/** Encodes what sessions of one turn have in common, once: an instruction, and a whole frame of one chunk. Bounded; until clear(). */
export class FrameEncoder {
  readonly #pieces = new Map<Buffer, Buffer>();
  #last: { readonly frame: FrameContent; readonly message: Buffer } | undefined;
  #encoded = 0;

  /** Number of instructions encoded, not served from what was there. */
  get encoded(): number {
    return this.#encoded;
  }

  /** FrameChunk.upserts of one instruction; the same body object is encoded once. */
  upsert(key: string, body: Buffer): Buffer {
    let piece = this.#pieces.get(body);
    if (piece === undefined) {
      if (this.#pieces.size >= MAX_PIECES) this.#pieces.clear();
      const upserts = [{ key, body }];
      piece = bytesOf({ upserts, deletes: [], dropScopes: [], end: undefined });
      this.#pieces.set(body, piece);
      this.#encoded += 1;
    }
    return piece;
  }

  /** The same again, should it say what the frame before it said: most frames of a turn do. */
  again(frame: FrameContent): Buffer | undefined {
    const last = this.#last;
    return last !== undefined && isSame(frame, last.frame) ? last.message : undefined;
  }

  /** Keeps the message of a frame of one chunk for the next session. */
  keep(frame: FrameContent, message: Buffer): void {
    this.#last = { frame, message };
  }

  clear(): void {
    this.#last = undefined;
    if (this.#pieces.size > 0) this.#pieces.clear();
  }
}

/** The chunks of a frame, each an encoded CentralMessage; drops first, `end` in the last. */
export class FrameChunks {
  readonly #frame: FrameContent;
  readonly #encoder: FrameEncoder;
  /** Drops and keys that are in chunks already. */
  #given = 0;
  #isDone = false;

  constructor(frame: FrameContent, encoder: FrameEncoder) {
    this.#frame = frame;
    this.#encoder = encoder;
  }

  /** The last chunk was given. */
  get isDone(): boolean {
    return this.#isDone;
  }

  next(): Buffer {
    const known = this.#given === 0 ? this.#encoder.again(this.#frame) : undefined;
    if (known !== undefined) {
      this.#isDone = true;
      return known;
    }
    const { keys, bodies, dropScopes, end } = this.#frame;
    const from = this.#given;
    const drops = dropScopes.slice(from, from + CHUNK_INSTRUCTIONS);
    const deletes: string[] = [];
    const pieces: Buffer[] = [];
    const limit = Math.min(from + CHUNK_INSTRUCTIONS, dropScopes.length + keys.length);
    let bytes = 0;
    let at = from + drops.length;
    for (; at < limit && bytes < CHUNK_BYTES; at += 1) {
      const key = keys[at - dropScopes.length] ?? "";
      const body = bodies[at - dropScopes.length];
      if (body === undefined) {
        deletes.push(key);
        bytes += key.length;
      } else {
        const piece = this.#encoder.upsert(key, body);
        pieces.push(piece);
        bytes += piece.length;
      }
    }
    this.#given = at;
    this.#isDone = at === dropScopes.length + keys.length;
    const last = this.#isDone ? end : undefined;
    const chunk = message(pieces, { deletes, dropScopes: drops, end: last });
    if (from === 0 && this.#isDone) this.#encoder.keep(this.#frame, chunk);
    return chunk;
  }
}

function isSame(a: FrameContent, b: FrameContent): boolean {
  return (
    a.end.sequence === b.end.sequence &&
    a.end.revision === b.end.revision &&
    a.end.inSync === b.end.inSync &&
    a.end.adopted === b.end.adopted &&
    isEqual(a.bodies, b.bodies) &&
    isEqual(a.keys, b.keys) &&
    isEqual(a.dropScopes, b.dropScopes)
  );
}

function isEqual<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at]);
}

function message(pieces: readonly Buffer[], rest: Omit<FrameChunk, "upserts">): Buffer {
  const tail = bytesOf({ upserts: [], ...rest });
  const length = pieces.reduce((sum, piece) => sum + piece.length, tail.length);
  return Buffer.concat([Buffer.from([CHUNK_TAG, ...varint(length)]), ...pieces, tail]);
}

function bytesOf(chunk: FrameChunk): Buffer {
  const bytes = FrameChunk.encode(chunk).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}
