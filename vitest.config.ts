// How vitest runs here: two projects, `unit` (tests beside their sources) and `integration`
// (real sockets, real Open vSwitch; one file at a time). Called by scripts/test.ts and by hand:
// `.tools/bin/pnpm vitest run --project unit path/to/x.test.ts`.
import { defineConfig } from "vitest/config";

const slow = ["test/integration/**/*.test.ts", "test/system/**/*.test.ts"];
const never = ["**/node_modules/**", "**/target/**"];

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "packages/*/src/**/*.test.ts",
            "packages/dataplane-native/ts/**/*.test.ts",
            "test/**/*.test.ts",
            "bench/**/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: [...never, ...slow],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: slow,
          exclude: never,
          // One worker and one file at a time: these tests own namespaces, switches and the CPU.
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
