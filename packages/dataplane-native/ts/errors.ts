// The errors of the native boundary. Owns only their classes; thrown by native.ts, caught by the
// agent's entry point, which prints the message and stops.

/** The compiled addon is absent or cannot be loaded into this Node. */
export class NativeUnavailableError extends Error {
  override readonly name = "NativeUnavailableError";
  /** A damaged installation: restarting does not help, rebuilding does. */
  readonly kind = "bug";
}
