// The native data plane as the agent sees it: plain functions over the Rust addon. Must hold no
// networking knowledge. Imported by packages/agent and the tests.
import { loadNative } from "./native.ts";

export { NativeUnavailableError } from "./errors.ts";

const native = loadNative();

/** The version of the compiled engine, such as `0.1.0`. */
export function engineVersion(): string {
  return native.engineVersion();
}
