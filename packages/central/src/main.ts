// Entry point of weft-central. Only turns on Node's compile cache, which must be on before anything else is loaded: it spares a third
// of the start and the memory of stripping types again, in the store's threads too. Then run.ts.

import { enableCompileCache } from "node:module";
import { join } from "node:path";

// With the project, not below /tmp, where others could put code. Not writable: then it is read only, or not used.
const cache = join(import.meta.dirname, "../../../.tools/compile-cache");
enableCompileCache(cache);
process.env["NODE_COMPILE_CACHE"] ??= cache;

await import("./run.ts");
