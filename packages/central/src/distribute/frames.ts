// A frame as bytes: chunks of bounded size, ready to be written. Each instruction is encoded once for all sessions of a turn; the
// chunk is put together from those pieces, because protobuf fields of one message may be concatenated. Called by session.ts.

import { FrameChunk, type FrameEnd } from "@weft/shared/gen/weft/v1/southbound.ts";

/** Instructions in a chunk, and its size in bytes; a message may have 1 MiB. */
const CHUNK_INSTRUCTIONS = 256;
const CHUNK_BYTES = 512 * 1024;

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

/** Encodes FrameChunk.upserts of one instruction; the same body object is encoded once until clear(). */
export class InstructionEncoder {
  readonly #pieces = new Map<Buffer, Buffer>();
  #encoded = 0;

  /** Number of encodings done, not served from what was there. */
  get encoded(): number {
    return this.#encoded;
  }

  encode(key: string, body: Buffer): Buffer {
    let piece = this.#pieces.get(body);
    if (piece === undefined) {
      const upserts = [{ key, body }];
      piece = bytesOf({ upserts, deletes: [], dropScopes: [], end: undefined });
      this.#pieces.set(body, piece);
      this.#encoded += 1;
    }
    return piece;
  }

  clear(): void {
    this.#pieces.clear();
  }
}

/** The chunks of a frame, each an encoded CentralMessage; drops first, `end` in the last. */
export function* encodeFrame(frame: FrameContent, encoder: InstructionEncoder): Generator<Buffer> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let deletes: string[] = [];
  let dropScopes: string[] = [];
  const add = function* (size: number): Generator<Buffer> {
    bytes += size;
    const count = pieces.length + deletes.length + dropScopes.length;
    if (count < CHUNK_INSTRUCTIONS && bytes < CHUNK_BYTES) return;
    yield message(pieces, { deletes, dropScopes, end: undefined });
    [pieces, deletes, dropScopes, bytes] = [[], [], [], 0];
  };
  for (const scope of frame.dropScopes) {
    dropScopes.push(scope);
    yield* add(scope.length);
  }
  for (const [at, key] of frame.keys.entries()) {
    const body = frame.bodies[at];
    if (body === undefined) {
      deletes.push(key);
      yield* add(key.length);
    } else {
      const piece = encoder.encode(key, body);
      pieces.push(piece);
      yield* add(piece.length);
    }
  }
  yield message(pieces, { deletes, dropScopes, end: frame.end });
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
