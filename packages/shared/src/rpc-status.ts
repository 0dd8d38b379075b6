// google.rpc.Status with BadRequest field violations: what central puts into the trailer
// grpc-status-details-bin and the CLI reads from it. Bytes only, no transport. Field numbers are
// those of google/rpc/{status,error_details}.proto and google/protobuf/any.proto.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Trailer that carries the encoded Status. */
export const statusDetailsKey = "grpc-status-details-bin";

export interface FieldViolation {
  /** Path in the request: changes[3].upsert.port.spec.fixed_ips[0].ip; empty = the request. */
  field: string;
  /** For people; names the object. */
  description: string;
  /** For programs: a diagnostic's code. */
  reason: string;
}

export interface RpcStatus {
  code: number;
  message: string;
  violations: FieldViolation[];
}

const badRequestUrl = "type.googleapis.com/google.rpc.BadRequest";

/** Violations beyond this are counted in the message only: trailers must stay small (64 KiB). */
export const maxViolations = 100;
const maxViolationBytes = 48 * 1024;

/** Encodes a Status; as many violations as fit are kept, in order. */
export function encodeStatus(status: RpcStatus): Buffer {
  const details = new BinaryWriter();
  let size = 0;
  for (const violation of status.violations.slice(0, maxViolations)) {
    const bytes = new BinaryWriter()
      .uint32(tag(1))
      .string(violation.field)
      .uint32(tag(2))
      .string(violation.description)
      .uint32(tag(3))
      .string(violation.reason)
      .finish();
    size += bytes.length;
    if (size > maxViolationBytes) break;
    details.uint32(tag(1)).bytes(bytes);
  }
  const writer = new BinaryWriter();
  writer.uint32((1 << 3) | WireType.Varint).int32(status.code);
  writer.uint32(tag(2)).string(status.message);
  if (status.violations.length > 0) {
    const any = new BinaryWriter()
      .uint32(tag(1))
      .string(badRequestUrl)
      .uint32(tag(2))
      .bytes(details.finish())
      .finish();
    writer.uint32(tag(3)).bytes(any);
  }
  return Buffer.from(writer.finish());
}

/** Decodes a Status; undefined if the bytes are none. Details of other types are skipped. */
export function decodeStatus(bytes: Uint8Array): RpcStatus | undefined {
  const status: RpcStatus = { code: 0, message: "", violations: [] };
  try {
    readFields(bytes, {
      1: (reader) => (status.code = reader.int32()),
      2: (reader) => (status.message = reader.string()),
      3: (reader) => status.violations.push(...decodeAny(reader.bytes())),
    });
  } catch {
    return undefined;
  }
  return status;
}

function decodeAny(bytes: Uint8Array): FieldViolation[] {
  let url = "";
  let value: Uint8Array = Buffer.alloc(0);
  readFields(bytes, {
    1: (reader) => (url = reader.string()),
    2: (reader) => (value = reader.bytes()),
  });
  const violations: FieldViolation[] = [];
  if (url !== badRequestUrl) return violations;
  readFields(value, { 1: (reader) => violations.push(decodeViolation(reader.bytes())) });
  return violations;
}

function decodeViolation(bytes: Uint8Array): FieldViolation {
  const violation: FieldViolation = { field: "", description: "", reason: "" };
  readFields(bytes, {
    1: (reader) => (violation.field = reader.string()),
    2: (reader) => (violation.description = reader.string()),
    3: (reader) => (violation.reason = reader.string()),
  });
  return violation;
}

const tag = (field: number): number => (field << 3) | WireType.LengthDelimited;

/** Calls the reader of each field that is known and skips the others. Throws on malformed bytes. */
function readFields(
  bytes: Uint8Array,
  readers: Readonly<Record<number, (reader: BinaryReader) => unknown>>,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const read = readers[field];
    if (read === undefined) reader.skip(wireType, field);
    else read(reader);
  }
}
