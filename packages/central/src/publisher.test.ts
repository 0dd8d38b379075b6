import { expect, test } from "vitest";
import type { DerivedBatch } from "./derive/deriver.ts";
import { rowOf } from "./derive/memory-rows.ts";
import { Model } from "./model/tables.ts";
import { Publisher } from "./publisher.ts";

test("while a large revision is derived in parts, distribution is held, and gets it as one", async () => {
  const model = new Model(0n);
  const steps: string[] = [];
  const publisher = new Publisher({
    model,
    hold: () => steps.push("hold"),
    derive: (batch): DerivedBatch => {
      steps.push("derive");
      return { revision: batch.revision, instructions: [], subscriptions: [] };
    },
    distribute: ({ revision }) => steps.push(`distribute ${revision}`),
    published: () => undefined,
  });
  const changes = (count: number) =>
    Array.from({ length: count }, (_, at) => ({
      table: "network" as const,
      id: `n${at}`,
      before: undefined,
      after: rowOf.network({ id: `n${at}`, key: at + 1 }),
    }));
  await publisher.publish({ revision: 1n, changes: changes(64) });
  expect(steps.splice(0)).toEqual(["derive", "distribute 1"]);
  await publisher.publish({ revision: 2n, changes: changes(65) });
  expect(steps).toEqual(["hold", "derive", "derive", "distribute 2"]);
});
