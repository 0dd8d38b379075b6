// Hash of an instruction and the digest of a set of them: central and agent compare digests to find what a resync must carry.
// Pure. A digest is a sum modulo 2^128, so that adding or removing one instruction costs O(1). Used by central/distribute and
// agent/southbound; the layout is told in ARCHITECTURE.md, "Southbound".

import { createHash } from "node:crypto";

/** Version of InstructionBody that the hashes are made with; both sides must agree or every digest differs. */
export const SCHEMA_VERSION = 1;

/** Bytes of a hash and of a digest. */
export const DIGEST_BYTES = 16;

const MODULUS = 1n << 128n;
const SEPARATOR = Buffer.of(0);
const VERSION = Buffer.of(0, SCHEMA_VERSION);

/** Hash of one instruction, 0 <= hash < 2^128; keyed by the store id, so that two stores never agree by chance. */
export function instructionHash(storeId: string, key: string, body: Uint8Array): bigint {
  const sum = createHash("sha256")
    .update(storeId)
    .update(VERSION)
    .update(key)
    .update(SEPARATOR)
    .update(body)
    .digest();
  return (sum.readBigUInt64BE(0) << 64n) | sum.readBigUInt64BE(8);
}

/** The digest with one hash more. */
export function digestAdd(digest: bigint, hash: bigint): bigint {
  return (digest + hash) % MODULUS;
}

/** The digest with one hash less. */
export function digestRemove(digest: bigint, hash: bigint): bigint {
  return (digest - hash + MODULUS) % MODULUS;
}

/** A digest or hash on the wire: 16 bytes, big endian. */
export function digestToBytes(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(DIGEST_BYTES);
  bytes.writeBigUInt64BE(value >> 64n, 0);
  bytes.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, 8);
  return bytes;
}

/** undefined when it is not 16 bytes long. */
export function bytesToDigest(bytes: Uint8Array): bigint | undefined {
  if (bytes.length !== DIGEST_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (view.readBigUInt64BE(0) << 64n) | view.readBigUInt64BE(8);
}

/** Scope of an instruction key: its first two segments (`network/17` of `network/17/location/4`). */
export function scopeOf(key: string): string {
  const second = key.indexOf("/", key.indexOf("/") + 1);
  return second < 0 ? key : key.slice(0, second);
}
