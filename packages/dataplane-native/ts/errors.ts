// The errors of the native boundary. Owns only their classes; thrown by native.ts and index.ts, told
// apart by `kind` as everywhere in Weft: bug (stop, see the message), transient (try again).

/** The root: what this package throws. */
export class DataplaneError extends Error {
  override readonly name: string = "DataplaneError";
  readonly kind: "bug" | "transient";

  constructor(kind: "bug" | "transient", message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The compiled addon is absent or cannot be loaded into this Node: rebuild, restarting does not help. */
export class NativeUnavailableError extends DataplaneError {
  override readonly name = "NativeUnavailableError";

  constructor(message: string, options?: ErrorOptions) {
    super("bug", message, options);
  }
}

/** A call came after `close`. */
export class DataplaneClosedError extends DataplaneError {
  override readonly name = "DataplaneClosedError";

  constructor(mgmtSocket: string) {
    super("bug", `the dataplane of ${mgmtSocket} is closed: open another one`);
  }
}
