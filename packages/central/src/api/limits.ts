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
