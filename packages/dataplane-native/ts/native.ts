// Loads the compiled Rust addon and gives it its types. Owns the path of `dataplane.node`; must do
// no work of its own. Called by index.ts, which is what other packages import.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { NativeUnavailableError } from "./errors.ts";

/** What crates/binding exports, one member per `#[napi]` item. */
export interface NativeBinding {
  engineVersion(): string;
}

const require = createRequire(import.meta.url);
const builtPath = fileURLToPath(new URL("../dataplane.node", import.meta.url));

/** Loads the addon at `path`; throws NativeUnavailableError with the way out. */
export function loadNative(path: string = builtPath): NativeBinding {
  if (!existsSync(path)) {
    throw new NativeUnavailableError(`${path} is missing: run scripts/build-native`);
  }
  try {
    return require(path) as NativeBinding;
  } catch (cause) {
    throw new NativeUnavailableError(
      `${path} does not load into Node ${process.version}: run scripts/build-native`,
      { cause },
    );
  }
}
