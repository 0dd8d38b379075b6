// Runs command lines of `weft` in tests: one at a time with a terminal that keeps what is printed, alone or against the small central
// of central.ts. Used by tests only.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { runCli } from "../program.ts";
import type { Environment } from "../settings.ts";
import { type CentralState, freshState, serveCentral } from "./central.ts";

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export interface Circumstances {
  env?: Environment;
  /** On standard input. */
  input?: string;
  /** The answer to a question; without it nobody is there to answer. */
  confirm?: boolean;
  /** Without it standard output is no terminal. */
  columns?: number | null;
  signal?: AbortSignal;
}

/** Words are separated by single spaces. */
export async function runWeft(args: string, given: Circumstances = {}): Promise<Ran> {
  const ran: Ran = { code: -1, out: "", err: "" };
  ran.code = await runCli({
    args: args === "" ? [] : args.split(" "),
    terminal: {
      write: (text) => void (ran.out += text),
      writeError: (text) => void (ran.err += text),
      columns: given.columns ?? null,
      showsProgress: false,
      readInput: async () => given.input ?? "",
      confirm: async () => given.confirm ?? null,
    },
    env: given.env ?? {},
    signal: given.signal ?? new AbortController().signal,
  });
  return ran;
}

/** A central for all tests of a file, and a folder; its state is fresh before each test. */
export function useCentral(): { dir: string; address: string; state: CentralState } {
  const dir = mkdtempSync(join(tmpdir(), "weft-cli-"));
  const address = `unix:${join(dir, "central.sock")}`;
  const state = freshState();
  let server: Server;
  beforeAll(async () => {
    server = await serveCentral(address, state);
  });
  afterAll(() => {
    server.forceShutdown();
    rmSync(dir, { recursive: true });
  });
  beforeEach(() => {
    Object.assign(state, freshState());
  });
  return { dir, address, state };
}
