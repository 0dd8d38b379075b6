// What a kind is to the command line, and the small conversions between messages and documents that all
// kinds share. Knows no kind itself; kinds.ts and kinds-routing.ts hold them. Pure.
import type {
  ChassisFailure,
  Kind,
  Meta,
  Object as WeftObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { z } from "zod";

/** A value as JSON and YAML have it. */
export type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };
export type PlainObject = { [key: string]: Plain };

export interface ObjectDocument {
  kind: string;
  metadata: PlainObject;
  spec: PlainObject;
  status?: PlainObject;
}

export interface KindEntry {
  kind: Kind;
  /** As in documents. */
  name: string;
  /** As on the command line. */
  singular: string;
  plural: string;
  aliases: readonly string[];
  hasProject: boolean;
  specSchema: z.ZodObject | z.ZodType;
  specFields: readonly string[];
  /** `spec` has passed specSchema. */
  toObject(meta: Meta, spec: unknown): WeftObject;
  toDocument(object: WeftObject): Omit<ObjectDocument, "kind"> | undefined;
}

export const text = z.string();
export const u32 = z.int().min(0, "must not be negative").max(0xffff_ffff, "is too large");

export const fieldsOf = (schema: z.ZodObject): string[] => Object.keys(schema.shape);

export function metadataOf(meta: Meta | undefined): PlainObject {
  return present({
    id: meta?.id,
    project: meta?.project,
    name: meta?.name,
    labels: meta?.labels,
    revision: meta === undefined ? undefined : numberOf(meta.revision),
    createdAt: meta?.createdAt?.toISOString(),
    updatedAt: meta?.updatedAt?.toISOString(),
  });
}

export function withStatus<S>(
  status: S | undefined,
  make: (status: S) => PlainObject,
): { status?: PlainObject } {
  return status === undefined ? {} : { status: make(status) };
}

/** What did not work on which chassis. */
export function failuresOf(failures: readonly ChassisFailure[]): PlainObject[] {
  return failures.map(({ chassis, failed }) => ({
    chassis,
    failed: failed.map(({ key, reason }) => ({ key, reason })),
  }));
}

/** The entries that say something: no undefined, "", 0, false, [] and {}. */
export function present(entries: Record<string, Plain | undefined>): PlainObject {
  const said: PlainObject = {};
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined || value === "" || value === 0 || value === false) continue;
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) continue;
    said[key] = value;
  }
  return said;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** The same without the keys that hold undefined. */
export function withoutAbsent<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== undefined),
  ) as Defined<T>;
}

/** A 64-bit count as a number where that is exact, else as text. */
export function numberOf(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

export function nameOf<N extends Readonly<Record<string, number>>>(
  names: N,
  value: number | undefined,
): string | undefined {
  return Object.keys(names).find((name) => names[name] === value);
}

/** Name of an enum value of generated code; "" for UNSPECIFIED. */
export function wordOf(values: Readonly<Record<string, number>>, value: number): string {
  return value === 0 ? "" : (nameOf(values, value) ?? `UNKNOWN(${value})`);
}
