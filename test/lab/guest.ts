// A guest of the lab: a namespace with one interface (a veth whose other end OVS holds), a responder, and probes and numbered
// streams to other guests. Knows nothing of Weft but the iface-id that the host end gets. Used by the demo and the system tests.

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Kept, run } from "./processes.ts";

const SCRIPT = fileURLToPath(new URL("./guest.py", import.meta.url));

export interface GuestOptions {
  /** What its responder answers with; the host end is `v-<name>`, cut at 15 characters. */
  readonly name: string;
  readonly netns: string;
  readonly labDir: string;
  /** Namespace of the chassis that holds the other end. */
  readonly hostNetns: string;
  readonly mac: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** Of the default routes; the first of each family counts. */
  readonly gateways?: readonly string[];
  readonly mtuBytes: number;
}

export interface Answer {
  /** Name of the guest that answered; null = silence. */
  readonly name: string | null;
  readonly ms: number | null;
}

export interface StreamResult {
  readonly sent: number;
  readonly received: number;
  readonly longestGapMs: number;
  /** Numbers of the first 50 unanswered datagrams. */
  readonly missing: readonly number[];
}

export class Guest {
  readonly name: string;
  readonly #options: GuestOptions;
  #server: Kept | null = null;
  #prober: Kept | null = null;
  #waiting = new Map<number, (answer: Answer) => void>();
  #nextId = 1;

  private constructor(options: GuestOptions) {
    this.#options = options;
    this.name = options.name;
  }

  static async start(options: GuestOptions): Promise<Guest> {
    const guest = new Guest(options);
    await guest.#plug();
    await guest.#serve();
    return guest;
  }

  /** Name of the interface on the chassis. */
  get hostInterface(): string {
    return `v-${this.name}`.slice(0, 15);
  }

  get netns(): string {
    return this.#options.netns;
  }

  get mac(): string {
    return this.#options.mac;
  }

  /** Runs a command inside the guest. */
  async exec(...command: readonly string[]): Promise<string> {
    return run("ip", "netns", "exec", this.#options.netns, ...command);
  }

  /** Who answers at `ip`; lost datagrams are sent again until the deadline. */
  async probe(ip: string, timeoutMs: number): Promise<Answer> {
    const prober = (this.#prober ??= this.#startProber());
    const id = this.#nextId++;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    prober.child.stdin?.write(`${JSON.stringify({ id, ip, timeout_ms: timeoutMs })}\n`);
    return answer;
  }

  /** Starts numbered datagrams to `ip`; the function returned ends them and answers what came back. */
  async stream(ip: string, intervalMs: number): Promise<() => Promise<StreamResult>> {
    const kept = this.#python("stream", ip, String(intervalMs));
    const lines = createInterface({ input: kept.child.stdout ?? process.stdin });
    const iterator = lines[Symbol.asyncIterator]();
    await iterator.next();
    return async () => {
      kept.child.stdin?.end();
      const { value } = await iterator.next();
      await kept.exited;
      const result = JSON.parse(String(value)) as {
        sent: number;
        received: number;
        longest_gap_ms: number;
        missing: number[];
      };
      const { sent, received, missing, longest_gap_ms } = result;
      return { sent, received, missing, longestGapMs: longest_gap_ms };
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#server?.end("SIGKILL"), this.#prober?.end("SIGKILL")]);
    await run("ip", "netns", "del", this.#options.netns);
  }

  async #plug(): Promise<void> {
    const { netns, hostNetns, mac, addresses, gateways = [], mtuBytes } = this.#options;
    await run("ip", "netns", "add", netns);
    const inside = ["-n", netns];
    await run(
      ...(["ip", "-n", hostNetns, "link", "add", this.hostInterface, "type", "veth"] as const),
      ...["peer", "name", "eth0", "netns", netns],
    );
    await run("ip", ...inside, "link", "set", "lo", "up");
    await run(
      "ip",
      ...inside,
      "link",
      "set",
      "eth0",
      "address",
      mac,
      "mtu",
      String(mtuBytes),
      "up",
    );
    // The userspace datapath takes packets as they are: a checksum left to hardware would never be filled in.
    await this.exec("ethtool", "-K", "eth0", "tx", "off");
    for (const address of addresses) {
      await run("ip", ...inside, "address", "add", address, "dev", "eth0", ...nodad(address));
    }
    for (const family of ["-4", "-6"]) {
      const gateway = gateways.find((ip) => ip.includes(":") === (family === "-6"));
      if (gateway === undefined) continue;
      await run("ip", ...inside, family, "route", "add", "default", "via", gateway, "dev", "eth0");
    }
    await run(
      "ip",
      "-n",
      hostNetns,
      "link",
      "set",
      this.hostInterface,
      "mtu",
      String(mtuBytes),
      "up",
    );
  }

  #python(...args: readonly string[]): Kept {
    return new Kept({
      command: ["ip", "netns", "exec", this.#options.netns, "python3", SCRIPT, ...args],
      labDir: this.#options.labDir,
    });
  }

  async #serve(): Promise<void> {
    const kept = this.#python("serve", this.name);
    this.#server = kept;
    const lines = createInterface({ input: kept.child.stdout ?? process.stdin });
    const first = await lines[Symbol.asyncIterator]().next();
    if (first.value !== "ready") throw new Error(`guest ${this.name}: its responder did not start`);
  }

  #startProber(): Kept {
    const kept = this.#python("probe");
    const lines = createInterface({ input: kept.child.stdout ?? process.stdin });
    lines.on("line", (line) => {
      const { id, ...answer } = JSON.parse(line) as Answer & { id: number };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    return kept;
  }
}

function nodad(address: string): readonly string[] {
  return address.includes(":") ? ["nodad"] : [];
}
