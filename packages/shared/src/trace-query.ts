// What central and an agent say to each other about a trace, as JSON in Query and QueryReply (southbound.proto): which packet comes in
// where, and its way through that chassis. Both ends check what they get against these schemas. No I/O.

import { z } from "zod";

/** Values of packet fields by their names in ovs-fields(7), hexadecimal with 0x; absent = zero. */
const fields = z.record(z.string().max(32), z.string().regex(/^0x[0-9a-f]{1,32}$/));
export type TraceFields = z.output<typeof fields>;

const text = z.string().max(8192);
const count = z.int().min(0).max(0xffff_ffff);

export const traceQuerySchema = z.strictObject({
  entry: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("port"), portId: text }),
    /** By a tunnel of this encap (EncapType). */
    z.strictObject({ kind: z.literal("tunnel"), encap: count }),
    z.strictObject({ kind: z.literal("patch"), physicalNetwork: text }),
  ]),
  fields,
  lengthBytes: count,
  /** Compare with ofproto/trace of the switch. */
  real: z.boolean(),
});
export type TraceQuery = z.output<typeof traceQuerySchema>;

const step = z.strictObject({
  kind: z.literal("step"),
  table: count,
  tableName: text,
  depth: count,
  /** null = no flow matched; what belongs to the flow is then empty. */
  priority: count.nullable(),
  matching: text,
  actions: text,
  /** Decimal. */
  cookie: z.string().regex(/^\d{1,20}$/),
  /** Key of the instruction it stems from. */
  key: text,
  drops: z.boolean(),
});

const event = z.discriminatedUnion("kind", [
  step,
  z.strictObject({
    kind: z.literal("output"),
    to: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("port"), portId: text }),
      z.strictObject({ kind: z.literal("tunnel"), encap: count }),
      z.strictObject({ kind: z.literal("patch"), physicalNetwork: text }),
      z.strictObject({ kind: z.literal("unknown"), ofport: count }),
    ]),
    fields,
  }),
  z.strictObject({ kind: z.literal("withheld") }),
  z.strictObject({ kind: z.literal("controller"), service: text }),
  z.strictObject({
    kind: z.literal("bucket"),
    group: count,
    bucket: count,
    buckets: count,
    members: count,
    /** The switch was asked which one it takes. */
    real: z.boolean(),
  }),
]);

const comparison = z.strictObject({
  agreement: z.enum(["same", "different", "not-known"]),
  /** The first difference shown both ways, or why it is not known. */
  text,
  lookups: count,
  datapathActions: text,
});
export type TraceComparisonReply = z.output<typeof comparison>;

export const traceReplySchema = z.strictObject({
  /** The packet as it came in, as ofproto/trace takes it. */
  packet: text,
  events: z.array(event).max(512),
  /** There were more events. */
  cut: z.boolean(),
  /** Why it cannot be trusted; empty when it can. */
  problem: text,
  /** null = not asked for. */
  real: comparison.nullable(),
});
export type TraceReply = z.output<typeof traceReplySchema>;
export type TraceReplyEvent = TraceReply["events"][number];
export type TraceReplyStep = z.output<typeof step>;
