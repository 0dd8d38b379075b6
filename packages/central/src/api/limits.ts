// The bounds of a request, as the proto states them; checked by the services. Bounds of one object are model/limits.ts.

export const maxChanges = 50_000;
export const maxObjectBytes = 256 * 1024;
export const maxIdempotencyKeyBytes = 128;
export const maxCommentBytes = 1024;
export const defaultPageSize = 1000;
export const maxPageSize = 10_000;
export const defaultHistoryLimit = 100;
export const maxHistoryLimit = 10_000;
/** Filters of a List: labels, and fields. */
export const maxFilters = 32;
export const defaultWaitMs = 30_000;
export const maxWaitMs = 600_000;
/** How long a call may take that brings no deadline of its own; waits come on top. */
export const defaultDeadlineMs = 60_000;
/** Events that a watcher may be behind, one an object, before it is told to start again. */
export const maxWatchQueue = 100_000;
export const maxWatchers = 1000;
export const maxPortWaiters = 10_000;
export const bookmarkIntervalMs = 10_000;

// ---- what may be under way at once, over all callers: checked by receive-gate.ts and servers.ts ----

/** A request of any method but Apply; Apply's is `maxNorthboundBytes`. */
export const maxPlainRequestBytes = 1024 * 1024;
/** Requests that are being received at once, each of up to `maxNorthboundBytes`; of one caller. */
export const maxReceiving = 4;
export const maxReceivingPerCaller = 2;
/** Bytes of requests that arrived and are not answered: with more than these no further request is read. */
export const maxHeldBytes = 128 * 1024 * 1024;
export const maxHeldBytesPerCaller = 64 * 1024 * 1024;
/** Calls whose request is not read yet, each with what HTTP/2 lets it send (64 KiB); of one caller. */
export const maxUnreadCalls = 2000;
export const maxUnreadCallsPerCaller = 1000;
/** A request must be there within this once others wait for its place, and in any case within the second. */
export const receiveMs = 10_000;
export const maxReceiveMs = 60_000;
/** A call whose request is not read within this is refused. */
export const maxUnreadMs = 60_000;
/** Sets of more bytes than this are decoded, planned and answered one after the other. */
export const largeSetBytes = 64 * 1024;
/** Calls that stream requests (reflection), each of which may be receiving; they live `maxReceiveMs`. */
export const maxRequestStreams = 4;

/** What HTTP/2 allows on one port. Southbound: one stream an agent, and a few that hang (distribute/stream-count.ts). */
export interface TransportLimits {
  /** Connections, those in a TLS handshake included. */
  readonly connections: number;
  readonly streamsPerConnection: number;
  /** Unsent bytes, headers and streams of a connection; beyond, no stream is opened on it. Northbound: more than the largest answer. */
  readonly connectionMemoryMb: number;
  /** A connection without any stream is closed after this. */
  readonly idleMs: number;
}

export const northboundTransport: TransportLimits = {
  connections: 1000,
  streamsPerConnection: 1000,
  connectionMemoryMb: 320,
  idleMs: 300_000,
};
export const southboundTransport: TransportLimits = {
  connections: 4000,
  streamsPerConnection: 16,
  connectionMemoryMb: 64,
  idleMs: 60_000,
};
/** A TLS handshake must be over within this. */
export const handshakeMs = 10_000;
