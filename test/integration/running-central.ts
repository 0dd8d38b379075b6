// A weft-central process for tests that attack it: certificates of a CA of its own, and of another one that nobody trusts, clients of
// both sides, and what its memory is. For tests only; the caller ends it.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "@grpc/grpc-js";
import { SystemClock } from "@weft/shared/clock.ts";
import { channelOptions } from "@weft/shared/grpc.ts";
import { initCa, issue } from "@weft/shared/pki.ts";
import { TlsStore, tlsFilesIn } from "@weft/shared/tls.ts";
import { until } from "../lab/ovs.ts";

const script = fileURLToPath(new URL("../../bin/weft-central", import.meta.url));
const quiet = { info: () => undefined, warn: () => undefined };

/** Above every limit of the server, so that the client refuses nothing itself. */
const clientBytes = 256 * 1024 * 1024;

/** What central may occupy after attacks: far below the sum of what is thrown at it, and below its promise for a full cloud. */
export const maxHarassedRssMib = 360;

export type Side = "northbound" | "southbound";

/** Answers PEM files of an identity, for sockets that are spoken to by hand. */
export interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

export class RunningCentral implements AsyncDisposable {
  readonly #dir: string;
  readonly #child: ChildProcess;
  readonly #ports: Record<Side, number>;
  readonly #stores = new Map<string, TlsStore>();
  readonly #clients: Client[] = [];
  readonly #exited: Promise<number | null>;
  #running = true;

  private constructor(dir: string, child: ChildProcess, ports: Record<Side, number>) {
    this.#dir = dir;
    this.#child = child;
    this.#ports = ports;
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code) => {
        this.#running = false;
        resolve(code);
      });
    });
  }

  /** `identities`: as in `weft pki issue`; all of them also by the foreign CA. */
  static async start(identities: readonly string[]): Promise<RunningCentral> {
    const dir = mkdtempSync(join(tmpdir(), "weft-hostile-"));
    const nowMs = new SystemClock().nowMs();
    for (const pki of ["pki", "foreign"]) {
      await initCa(join(dir, pki), { name: pki, nowMs });
      for (const identity of ["central", ...identities]) {
        const ips = identity === "central" ? ["127.0.0.1"] : [];
        await issue(join(dir, pki), { identity, dns: [], ips, days: 1, nowMs });
      }
    }
    const config = join(dir, "central.yaml");
    // JSON is YAML.
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: join(dir, "data"),
        northbound: { listen: "127.0.0.1:0" },
        southbound: { listen: "127.0.0.1:0" },
        tls: tlsFilesIn(join(dir, "pki", "central")),
        metrics: { listen: "" },
        log: { format: "json" },
      }),
    );
    const log = join(dir, "central.log");
    const child = spawn("/bin/sh", [
      "-c",
      `exec "$0" --config "$1" >"$2" 2>&1`,
      script,
      config,
      log,
    ]);
    const ports = { northbound: 0, southbound: 0 };
    const central = new RunningCentral(dir, child, ports);
    await until("central to serve", () => {
      if (!central.#running) throw new Error(`central ended: ${central.log}`);
      const line = central.log.split("\n").find((text) => text.includes('"msg":"serving"'));
      if (line === undefined) return Promise.resolve(false);
      const said = JSON.parse(line) as Record<Side, string>;
      ports.northbound = Number(said.northbound.split(":")[1]);
      ports.southbound = Number(said.southbound.split(":")[1]);
      return Promise.resolve(true);
    });
    return central;
  }

  get running(): boolean {
    return this.#running;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its exit status, once it has ended. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  get log(): string {
    try {
      return readFileSync(join(this.#dir, "central.log"), "utf8");
    } catch {
      return "";
    }
  }

  /** Resident memory of the process. */
  get rssMib(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  }

  port(side: Side): number {
    return this.#ports[side];
  }

  pem(identity: string, pki = "pki"): Pem {
    const files = tlsFilesIn(join(this.#dir, pki, identity));
    return {
      cert: readFileSync(files.certFile),
      key: readFileSync(files.keyFile),
      // Central is believed by whoever attacks it.
      ca: readFileSync(tlsFilesIn(join(this.#dir, "pki", identity)).caFile),
    };
  }

  /** A connection of its own, closed with the central. */
  client<C extends Client>(
    make: new (...args: ConstructorParameters<typeof Client>) => C,
    side: Side,
    identity: string,
    options: object = {},
  ): C {
    const client = new make(
      `127.0.0.1:${this.port(side)}`,
      this.#store(identity).channelCredentials(),
      {
        ...channelOptions({ maxMessageBytes: clientBytes }),
        "grpc.use_local_subchannel_pool": 1,
        ...options,
      },
    );
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const store of this.#stores.values()) await store[Symbol.asyncDispose]();
    this.#child.kill("SIGKILL");
    await this.#exited;
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #store(identity: string): TlsStore {
    const known = this.#stores.get(identity);
    if (known !== undefined) return known;
    const files = tlsFilesIn(join(this.#dir, "pki", identity));
    const store = new TlsStore({ files, logger: quiet });
    this.#stores.set(identity, store);
    return store;
  }
}
