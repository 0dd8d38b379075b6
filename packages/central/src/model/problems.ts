// The collector of what is wrong with a change set: every problem is named, none is thrown. Pure; made once a set by plan.ts and
// handed to the checks of each kind.

import type { Diagnostic } from "@weft/shared/diagnostics.ts";

/** Problems beyond this are counted, not kept. */
const MAX_KEPT = 200;

export class Problems {
  readonly #kept: Diagnostic[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get kept(): readonly Diagnostic[] {
    return this.#kept;
  }

  add(diagnostic: Diagnostic): void {
    this.#count += 1;
    if (this.#kept.length < MAX_KEPT) this.#kept.push(diagnostic);
  }
}

/** The problems of one object, with the path of its message in the request. */
export class ObjectProblems {
  readonly #all: Problems;
  readonly #object: string;
  readonly #at: string;
  #count = 0;

  constructor(options: { all: Problems; object: string; at: string }) {
    this.#all = options.all;
    this.#object = options.object;
    this.#at = options.at;
  }

  /** Problems of this object so far. */
  get count(): number {
    return this.#count;
  }

  /** `field` is relative to the object: `spec.fixed_ips[0].ip`; empty = the object. */
  add(code: string, field: string, message: string): void {
    this.#count += 1;
    this.#all.add({
      code,
      object: this.#object,
      field: field === "" ? this.#at : `${this.#at}.${field}`,
      message,
    });
  }
}
