// A map from text that never grows in one long step: a Map of 2^17 entries is copied as a whole when it is full, several ms each, and
// the indexes of a table are full in the same change. The parts grow at different times. Plain storage, in no order; kept by the
// indexes of model/tables.ts and derive/groups.ts.

const PARTS = 16;

export class SpreadMap<V> {
  readonly #parts: readonly Map<string, V>[] = Array.from({ length: PARTS }, () => new Map());

  get(key: string): V | undefined {
    return this.#of(key).get(key);
  }

  set(key: string, value: V): void {
    this.#of(key).set(key, value);
  }

  delete(key: string): void {
    this.#of(key).delete(key);
  }

  /** Ids, addresses and numbers differ in their last characters. */
  #of(key: string): Map<string, V> {
    const end = key.length;
    const at = (7 * (key.charCodeAt(end - 1) | 0) + (key.charCodeAt(end - 2) | 0)) % PARTS;
    return this.#parts[at] as Map<string, V>;
  }
}
