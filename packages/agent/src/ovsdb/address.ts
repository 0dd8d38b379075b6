// Where an OVSDB server listens, in the notation of ovsdb(7): unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT
// (IPv6 hosts in brackets). Pure; called by session.ts and by whoever checks a configuration.
import { WeftError } from "@weft/shared/errors.ts";

export type OvsdbAddress =
  | { readonly scheme: "unix"; readonly path: string }
  | { readonly scheme: "tcp" | "ssl"; readonly host: string; readonly port: number };

/** sockaddr_un takes 108 bytes with the final zero (unix(7)). */
const MAX_UNIX_PATH_BYTES = 107;
const DEFAULT_PORT = 6640;

/** Throws a rejected WeftError that names the address and the accepted forms. */
export function parseOvsdbAddress(text: string): OvsdbAddress {
  const [, scheme, rest = ""] = /^(unix|tcp|ssl):(.*)$/.exec(text) ?? [];
  if (scheme === "unix" && rest !== "") {
    if (Buffer.byteLength(rest) > MAX_UNIX_PATH_BYTES) {
      throw new WeftError(
        "rejected",
        `OVSDB socket path is longer than ${MAX_UNIX_PATH_BYTES} bytes, use a shorter one: ${rest}`,
      );
    }
    return { scheme, path: rest };
  }
  if (scheme === "tcp" || scheme === "ssl") {
    const [, v6, name, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(rest) ?? [];
    const host = v6 ?? name;
    const port = portText === undefined ? DEFAULT_PORT : Number(portText);
    if (host !== undefined && port >= 1 && port <= 65_535) return { scheme, host, port };
  }
  throw new WeftError(
    "rejected",
    `"${text}" is not an OVSDB address: use unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
  );
}
