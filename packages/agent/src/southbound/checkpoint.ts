// The agent's checkpoint: one file with the last complete frame state and the ports held, replaced atomically.
// Writes are coalesced: a burst of frames costs one write. A damaged file is set aside and the agent starts with nothing, which
// only costs a resync. Called by agent.ts.

import { createHash, timingSafeEqual } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { WeftError } from "@weft/shared/errors.ts";
import { AgentCheckpoint } from "@weft/shared/gen/weft/v1/southbound.ts";

/** The file: these 8 bytes, SHA-256 of the rest (32 bytes), an encoded AgentCheckpoint. */
const MAGIC = Buffer.from("weftckp1");
const HASH_BYTES = 32;

/** Shortest time between two writes. */
const COALESCE_MS = 100;

export type LoadResult =
  | { readonly kind: "loaded"; readonly checkpoint: AgentCheckpoint }
  | { readonly kind: "absent" }
  /** Moved to `<path>.damaged`. */
  | { readonly kind: "damaged"; readonly reason: string };

export interface CheckpointOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Called when a write failed; the next change tries again. */
  readonly onError: (error: WeftError) => void;
}

export class CheckpointFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onError: (error: WeftError) => void;
  #source: (() => AgentCheckpoint) | null = null;
  #timer: Timer | null = null;
  #writing: Promise<void> | null = null;

  constructor(options: CheckpointOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#onError = options.onError;
  }

  async load(): Promise<LoadResult> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { kind: "absent" };
      throw new WeftError("rejected", `checkpoint ${this.#path} cannot be read; check its owner`, {
        cause,
      });
    }
    const decoded = decodeCheckpoint(bytes);
    if (typeof decoded !== "string") return { kind: "loaded", checkpoint: decoded };
    await rename(this.#path, `${this.#path}.damaged`);
    return { kind: "damaged", reason: decoded };
  }

  /** The state changed; `source` is asked for it when the write is due. */
  changed(source: () => AgentCheckpoint): void {
    this.#source = source;
    if (this.#timer !== null || this.#writing !== null) return;
    this.#timer = this.#clock.setTimer(COALESCE_MS, () => {
      this.#timer = null;
      void this.#write();
    });
  }

  /** Writes what is due now and waits for it. */
  async flush(): Promise<void> {
    this.#cancelTimer();
    await this.#writing;
    this.#cancelTimer();
    await this.#write();
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #write(): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    this.#source = null;
    this.#writing = this.#replace(encodeCheckpoint(source())).catch((cause: unknown) => {
      this.#onError(new WeftError("transient", `checkpoint ${this.#path} not written`, { cause }));
    });
    await this.#writing;
    this.#writing = null;
    const newer = this.#source;
    if (newer !== null) this.changed(newer);
  }

  async #replace(bytes: Buffer): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }
}

export function encodeCheckpoint(checkpoint: AgentCheckpoint): Buffer {
  const body = AgentCheckpoint.encode(checkpoint).finish();
  return Buffer.concat([MAGIC, createHash("sha256").update(body).digest(), body]);
}

/** The checkpoint, or why the bytes are none. */
export function decodeCheckpoint(bytes: Buffer): AgentCheckpoint | string {
  const start = MAGIC.length + HASH_BYTES;
  if (bytes.length < start) return `too short (${bytes.length} bytes)`;
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    return "not a checkpoint, or of another version";
  const body = bytes.subarray(start);
  const hash = createHash("sha256").update(body).digest();
  if (!timingSafeEqual(hash, bytes.subarray(MAGIC.length, start))) return "checksum differs";
  try {
    return AgentCheckpoint.decode(body);
  } catch (cause) {
    return `cannot be decoded: ${String(cause)}`;
  }
}
