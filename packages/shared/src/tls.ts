// Mutual TLS from files, for servers and channels of grpc-js: reloaded while running, and a pair that
// is half-written or does not match changes nothing. Also who the peer is, by its certificate.
// Plaintext only where no network is involved and only when asked for by name. Used by every process.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { PeerCertificate, SecureContext, SecureContextOptions } from "node:tls";
import { connect, createSecureContext } from "node:tls";
import { ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";
import { describeError, WeftError } from "./errors.ts";
import { isId } from "./ids.ts";

export interface TlsFiles {
  /** PEM, the leaf first. */
  certFile: string;
  keyFile: string;
  /** PEM, the authorities that peers must be signed by. */
  caFile: string;
}

/** The files as `weft pki issue` names them in a directory. */
export function tlsFilesIn(dir: string): TlsFiles {
  return {
    certFile: join(dir, "tls.crt"),
    keyFile: join(dir, "tls.key"),
    caFile: join(dir, "ca.crt"),
  };
}

/** What this file needs of a logger. */
export interface TlsLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface Loaded {
  cert: Buffer;
  key: Buffer;
  ca: Buffer;
}

const defaultPollMs = 2_000;
const minVersion = "TLSv1.2";
type Listener = (loaded: Loaded) => void;

/** Reads, checks and watches one set of files. */
export class TlsStore implements AsyncDisposable {
  readonly #files: TlsFiles;
  readonly #logger: TlsLogger;
  readonly #listeners = new Set<Listener>();
  readonly #timer: NodeJS.Timeout;
  #loaded: Loaded;
  #context: SecureContext | null = null;
  #stamp = "";
  /** Problem that was logged last; the same one is not logged at each poll. */
  #problem = "";
  #checking: Promise<void> | null = null;

  /** Reads the files at once. Throws WeftError (rejected) that names the file and what is wrong. */
  constructor(options: { files: TlsFiles; logger: TlsLogger; pollMs?: number }) {
    this.#files = options.files;
    this.#logger = options.logger;
    const read = (file: string): Buffer => {
      try {
        return readFileSync(file);
      } catch (error) {
        throw unreadable(file, error);
      }
    };
    this.#loaded = checkPair(this.#files, {
      cert: read(this.#files.certFile),
      key: read(this.#files.keyFile),
      ca: read(this.#files.caFile),
    });
    this.#timer = setInterval(() => void this.reload(), options.pollMs ?? defaultPollMs);
    this.#timer.unref();
  }

  get loaded(): Loaded {
    return this.#loaded;
  }

  /** The loaded files as one TLS context, made once a change and shared by all connections. */
  get secureContext(): SecureContext {
    this.#context ??= createSecureContext(contextOf(this.#loaded));
    return this.#context;
  }

  /** When the certificate in use ends, in milliseconds since the epoch. */
  get notAfterMs(): number {
    return new X509Certificate(this.#loaded.cert).validToDate.getTime();
  }

  /** Credentials for grpc-js Server.bindAsync: client certificates are demanded. */
  serverCredentials(): ServerCredentials {
    return new StoreServerCredentials(this);
  }

  /** Credentials for grpc-js clients; new connections use what is then loaded. */
  channelCredentials(): ChannelCredentials {
    return new StoreChannelCredentials(this);
  }

  /** Looks at the files now, instead of at the next poll. Never rejects; problems are logged. */
  reload(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  subscribe(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unsubscribe(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Stops watching; credentials made here keep what is loaded. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
  }

  async #check(): Promise<void> {
    try {
      const stamp = await this.#readStamp();
      if (stamp === this.#stamp) return;
      const [cert, key, ca] = await Promise.all([
        readOne(this.#files.certFile),
        readOne(this.#files.keyFile),
        readOne(this.#files.caFile),
      ]);
      const next = { cert, key, ca };
      if (sameBytes(next, this.#loaded)) {
        // Only content that was seen twice is settled: a write may share the stamp's clock tick.
        this.#stamp = stamp;
        this.#problem = "";
        return;
      }
      this.#loaded = checkPair(this.#files, next);
      this.#context = null;
      this.#problem = "";
      this.#logger.info({ certFile: this.#files.certFile }, "TLS certificate reloaded");
      for (const listener of this.#listeners) listener(this.#loaded);
    } catch (error) {
      const problem = describeError(error);
      if (problem === this.#problem) return;
      this.#problem = problem;
      this.#logger.warn({ problem }, "TLS files changed but are not usable; the old ones stay");
    }
  }

  async #readStamp(): Promise<string> {
    const files = [this.#files.certFile, this.#files.keyFile, this.#files.caFile];
    const stamps = await Promise.all(
      files.map(async (file) => {
        try {
          const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
          return `${ino}/${size}/${mtimeNs}/${ctimeNs}`;
        } catch (error) {
          throw unreadable(file, error);
        }
      }),
    );
    return stamps.join(" ");
  }
}

async function readOne(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): WeftError {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown";
  const wayOut =
    code === "ENOENT" ? "issue one with weft pki issue, or name another" : "make it readable";
  return new WeftError("rejected", `${file}: cannot be read (${code}); ${wayOut}`, {
    cause: error,
  });
}

function sameBytes(a: Loaded, b: Loaded): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key) && a.ca.equals(b.ca);
}

/** The files' content if it is complete and belongs together; throws WeftError (rejected) otherwise. */
function checkPair(files: TlsFiles, loaded: Loaded): Loaded {
  const attempt = <T>(file: string, what: string, make: () => T): T => {
    try {
      return make();
    } catch (error) {
      throw new WeftError("rejected", `${file}: ${what}; issue it again with weft pki issue`, {
        cause: error,
      });
    }
  };
  const leaf = attempt(
    files.certFile,
    "holds no certificate",
    () => new X509Certificate(loaded.cert),
  );
  const key = attempt(files.keyFile, "holds no private key", () => createPrivateKey(loaded.key));
  attempt(files.caFile, "holds no certificate", () => new X509Certificate(loaded.ca));
  if (!leaf.checkPrivateKey(key)) {
    throw new WeftError(
      "rejected",
      `${files.keyFile}: is not the key of ${files.certFile}; replace both together`,
    );
  }
  attempt(files.certFile, "is refused by TLS", () => createSecureContext(contextOf(loaded)));
  return loaded;
}

function contextOf(loaded: Loaded): SecureContextOptions {
  return { cert: loaded.cert, key: loaded.key, ca: loaded.ca, minVersion };
}

class StoreServerCredentials extends ServerCredentials {
  readonly #store: TlsStore;
  readonly #listener: Listener = (loaded) => this.updateSecureContextOptions(contextOf(loaded));

  constructor(store: TlsStore) {
    super({ requestCert: true, rejectUnauthorized: true }, contextOf(store.loaded));
    this.#store = store;
  }

  override _addWatcher(watcher: (context: SecureContextOptions | null) => void): void {
    if (this.getWatcherCount() === 0) this.#store.subscribe(this.#listener);
    super._addWatcher(watcher);
    // Files may have changed since the constructor, while nothing was subscribed.
    watcher(contextOf(this.#store.loaded));
  }

  override _removeWatcher(watcher: (context: SecureContextOptions | null) => void): void {
    super._removeWatcher(watcher);
    if (this.getWatcherCount() === 0) this.#store.unsubscribe(this.#listener);
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

/** grpc-js channel credentials over a TlsStore; each new connection uses what is then loaded. */
class StoreChannelCredentials extends ChannelCredentials {
  readonly #store: TlsStore;

  constructor(store: TlsStore) {
    super();
    this.#store = store;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    ...[target, , callCredentials]: Parameters<ChannelCredentials["_createSecureConnector"]>
  ): ReturnType<ChannelCredentials["_createSecureConnector"]> {
    const host = target.scheme?.startsWith("unix") === true ? "localhost" : hostOf(target.path);
    return {
      connect: async (socket) => ({
        socket: await connectTls(this.#store, host, socket),
        secure: true,
      }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? credentials.createEmpty(),
      destroy: () => undefined,
    };
  }
}

/** TLS over a connected socket; the certificate must be for `host`, a name or an address. */
function connectTls(store: TlsStore, host: string, socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      host,
      // RFC 6066 3: no addresses here. The certificate is checked against `host` either way.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext: store.secureContext,
      ALPNProtocols: ["h2"],
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
    });
    const fail = (error?: Error): void => {
      reject(error ?? new Error(`${host}: closed the connection during the TLS handshake`));
    };
    secure.once("error", fail);
    secure.once("close", fail);
    secure.once("secureConnect", () => {
      // The error listener stays: grpc-js attaches its own only a tick later.
      secure.off("close", fail);
      resolve(secure);
    });
  });
}

/** The host of `host:port`, `[v6]:port`, `v6` or `host`. */
function hostOf(address: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1];
  if (bracketed !== undefined) return bracketed;
  return isIP(address) === 6 ? address : address.replace(/:\d+$/, "");
}

/** True for `unix:` paths, 127.0.0.0/8, ::1 and localhost, with or without a port. */
export function isLocalAddress(address: string): boolean {
  if (/^unix(?:-abstract)?:/.test(address)) return true;
  const host = hostOf(address.replace(/^(?:dns:\/*|ipv4:|ipv6:)/, ""));
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function checkPlaintext(address: string): void {
  if (isLocalAddress(address)) return;
  throw new WeftError(
    "rejected",
    `${address}: plaintext is only for loopback addresses and unix sockets; give TLS files`,
  );
}

/** Credentials without TLS for a local address. Throws WeftError (rejected) for any other. */
export function plaintextServerCredentials(address: string): ServerCredentials {
  checkPlaintext(address);
  return ServerCredentials.createInsecure();
}

/** Credentials without TLS for a local address. Throws WeftError (rejected) for any other. */
export function plaintextChannelCredentials(address: string): ChannelCredentials {
  checkPlaintext(address);
  return credentials.createInsecure();
}

export interface PeerIdentity {
  kind: "chassis" | "operator";
  name: string;
}

/** The identity in a certificate's common name; undefined if it is none of ours. */
export function parseIdentity(commonName: string): PeerIdentity | undefined {
  const match = /^(chassis|operator):(.*)$/s.exec(commonName);
  const name = match?.[2] ?? "";
  if (match === null || !isId(name)) return undefined;
  return { kind: match[1] === "chassis" ? "chassis" : "operator", name };
}

/**
 * Who calls, by the certificate that TLS has verified: "plaintext" = there is none; undefined = it names no identity, and the caller
 * decides what such a peer may do. Costs a copy of the certificate: ask once a call, or once a stream.
 */
export function callerOf(call: {
  getAuthContext(): {
    transportSecurityType?: string;
    sslPeerCertificate?: PeerCertificate;
  } | null;
}): PeerIdentity | "plaintext" | undefined {
  const context = call.getAuthContext();
  if (context?.transportSecurityType !== "ssl") return "plaintext";
  // Node answers a list when a subject has several common names: whose is it then?
  const commonName: unknown = context.sslPeerCertificate?.subject.CN;
  return typeof commonName === "string" ? parseIdentity(commonName) : undefined;
}
