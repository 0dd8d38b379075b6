// fences: the chassis that a chassis must refuse. Every chassis that hosts a port refuses every fenced one: the fenced one still
// acts on keys it learned before it was cut off, and those may since belong to other networks and other hosts, so that who
// shares a network with it now says nothing. Fenced chassis are few; the list of one reader is bounded by their number.
// Intermediate; audience: ARCHITECTURE.md, "Derivation".

import type { DerivedTable } from "../spec.ts";

export const fences: DerivedTable<"fences"> = {
  name: "fences",
  sources: [{ table: "placement", keys: (_id, row) => [row.chassis] }],
  derive(read, self) {
    const keys: number[] = [];
    for (const id of read.members("fencedChassis", "")) {
      const key = id === self ? undefined : read.row("chassis", id)?.key;
      if (key !== undefined) keys.push(key);
    }
    return keys.length === 0 ? undefined : keys.sort((a, b) => a - b);
  },
  equal: (a, b) => a.length === b.length && a.every((key, index) => key === b[index]),
};
