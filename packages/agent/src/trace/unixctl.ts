// One command to the running ovs-vswitchd over its control socket: JSON-RPC 1.0 on a unix socket, as ovs-appctl(8) speaks it. Finds the
// socket in OVS' run directory. Bounded in time and bytes. Knows no command; called by trace.ts.

import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describeError, WeftError } from "@weft/shared/errors.ts";
import { JsonFramer } from "../ovsdb/framing.ts";

const MAX_ANSWER_BYTES = 4 << 20;
const MAX_DEPTH = 8;

/** `ovs-vswitchd.<pid>.ctl`, or without the pid; the one of the pid file where several lie about. */
export async function findControlSocket(runDir: string): Promise<string> {
  const names = await readdir(runDir).catch((cause: unknown) => {
    throw new WeftError("transient", `${runDir}: ${describeError(cause)}: check ovs.runDir`);
  });
  const pid = await readFile(join(runDir, "ovs-vswitchd.pid"), "utf8").catch(() => "");
  const sockets = names.filter((name) => /^ovs-vswitchd(\.\d+)?\.ctl$/.test(name));
  const named = sockets.find((name) => name === `ovs-vswitchd.${pid.trim()}.ctl`);
  const only = sockets.length === 1 ? sockets[0] : undefined;
  const found = named ?? only;
  if (found !== undefined) return join(runDir, found);
  const what = sockets.length === 0 ? "no control socket" : "several control sockets";
  const wayOut = "check ovs.runDir and that ovs-vswitchd runs";
  throw new WeftError("transient", `${runDir}: ${what} of ovs-vswitchd: ${wayOut}`);
}

/** The text that the command answers. Rejects with what the daemon says when it refuses. */
export function runCommand(options: {
  readonly socket: string;
  readonly method: string;
  readonly params: readonly string[];
  readonly signal: AbortSignal;
}): Promise<string> {
  const { socket: path, method, params, signal } = options;
  return new Promise((resolve, reject) => {
    const framer = new JsonFramer({ maxMessageBytes: MAX_ANSWER_BYTES, maxDepth: MAX_DEPTH });
    const socket = connect({ path, signal });
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new WeftError("transient", `ovs-vswitchd at ${path}: ${method}: ${reason}`));
    };
    socket.once("error", (error) => {
      fail(signal.aborted ? "no answer in time" : describeError(error));
    });
    socket.once("close", () => fail("the connection was closed before the answer"));
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of framer.push(chunk)) {
          const { result, error } = JSON.parse(message) as { result?: unknown; error?: unknown };
          if (typeof result === "string") resolve(result);
          else fail(typeof error === "string" ? error.trim() : "the answer is no text");
          socket.destroy();
          return;
        }
      } catch (error) {
        fail(describeError(error));
      }
    });
    socket.write(JSON.stringify({ id: 0, method, params }));
  });
}
