// The agent's checkpoint: one file with the last complete frame state and the ports held, replaced atomically and durably.
// Writes are coalesced: a burst of frames costs one write. One that fails is tried again until it works. A damaged file is set
// aside and the agent starts with nothing, which only costs a resync. Called by agent.ts.

import { createHash, timingSafeEqual } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { WeftError } from "@weft/shared/errors.ts";
import { AgentCheckpoint } from "@weft/shared/gen/weft/v1/southbound.ts";
import { type BackoffPolicy, backoffDelayMs } from "@weft/shared/reconnect.ts";

/** The file: these 8 bytes, SHA-256 of the rest (32 bytes), an encoded AgentCheckpoint. */
const MAGIC = Buffer.from("weftckp1");
const HASH_BYTES = 32;

/** Shortest time between two writes. */
const COALESCE_MS = 100;

/** After a failed write. Writing the whole state is not cheap: a disk that stays full is not asked more often than the cap. */
const RETRY: BackoffPolicy = { initialMs: 200, capMs: 10_000, stableMs: 0 };

export type LoadResult =
  | { readonly kind: "loaded"; readonly checkpoint: AgentCheckpoint }
  | { readonly kind: "absent" }
  /** Moved to `<path>.damaged`. */
  | { readonly kind: "damaged"; readonly reason: string };

export interface CheckpointOptions {
  readonly path: string;
  readonly clock: Clock;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
}

export interface CheckpointListener {
  /** This is on the disk now, and stays there when the host loses power. */
  written(checkpoint: AgentCheckpoint): void;
  /** A write failed; not called again before one has worked. It is retried without being asked. */
  failed(error: WeftError): void;
}

export class CheckpointFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  #listener: CheckpointListener | null = null;
  #source: (() => AgentCheckpoint) | null = null;
  #timer: Timer | null = null;
  #writing: Promise<void> | null = null;
  /** Since the last write that worked. */
  #failures = 0;

  constructor(options: CheckpointOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** One listener; another replaces it. */
  listen(listener: CheckpointListener): void {
    this.#listener = listener;
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
    if (typeof decoded !== "string") {
      // Who wrote it may have been killed between the rename and its sync.
      await syncFolder(dirname(this.#path));
      return { kind: "loaded", checkpoint: decoded };
    }
    await rename(this.#path, `${this.#path}.damaged`);
    return { kind: "damaged", reason: decoded };
  }

  /** The state changed; `source` is asked for it when the write is due. */
  changed(source: () => AgentCheckpoint): void {
    this.#source = source;
    if (this.#timer === null && this.#writing === null) this.#schedule();
  }

  /** Writes what is due now, once, and waits for it. */
  async flush(): Promise<void> {
    this.#cancelTimer();
    await this.#writing;
    this.#cancelTimer();
    await this.#write();
    this.#cancelTimer();
  }

  #schedule(): void {
    const delayMs =
      this.#failures === 0 ? COALESCE_MS : backoffDelayMs(RETRY, this.#failures, this.#random());
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = null;
      void this.#write();
    });
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #write(): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    this.#source = null;
    const checkpoint = source();
    this.#writing = this.#replace(encodeCheckpoint(checkpoint)).then(
      () => {
        this.#failures = 0;
        this.#listener?.written(checkpoint);
      },
      (cause: unknown) => {
        // What changed meanwhile is newer.
        this.#source ??= source;
        this.#failures += 1;
        if (this.#failures > 1) return;
        const message = `checkpoint ${this.#path} cannot be written; see to its disk and its owner`;
        this.#listener?.failed(new WeftError("transient", message, { cause }));
      },
    );
    await this.#writing;
    this.#writing = null;
    if (this.#source !== null) this.#schedule();
  }

  async #replace(bytes: Buffer): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true });
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
    await syncFolder(folder);
  }
}

/** Without it a rename may be forgotten when the host loses power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
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
