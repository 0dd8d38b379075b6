// A page of an answer: ends at a number of objects or at a number of bytes, whichever comes first. Pure. Used by List and History.

/** Bytes of the objects of one page, encoded: with room, below the 4 MiB that a gRPC client receives unless told otherwise. */
export const maxPageBytes = 2 * 1024 * 1024;

export class Page<T> {
  readonly items: T[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(options: { limit: number }) {
    this.#limit = options.limit;
  }

  /** Adds an item of so many encoded bytes; false = the page is full without it. The first one always fits. */
  offer(item: T, bytes: number): boolean {
    const isFull = this.items.length >= this.#limit || this.#bytes + bytes > maxPageBytes;
    if (isFull && this.items.length > 0) return false;
    this.items.push(item);
    this.#bytes += bytes;
    return true;
  }
}
