// Cuts a byte stream into JSON texts. RFC 7047 4 puts JSON objects back to back without a length, so
// an object ends where its braces balance. Looks at every byte once; holds at most one message; knows
// no JSON-RPC. Called by jsonrpc.ts. What is not a plausible object ends in OvsdbProtocolError.
import { OvsdbProtocolError } from "./errors.ts";

export interface FramerLimits {
  /** A longer message is an error; bounds memory. */
  readonly maxMessageBytes: number;
  /** Deeper nesting of objects and arrays is an error. OVSDB itself needs fewer than 20 levels. */
  readonly maxDepth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const INITIAL_BUFFER_BYTES = 4096;

export class JsonFramer {
  readonly #limits: FramerLimits;
  /** Bytes of the message that is under way; only the first #length are meaningful. */
  #buffer = Buffer.alloc(0);
  #length = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(limits: FramerLimits) {
    this.#limits = limits;
  }

  /** Bytes held for a message that is not complete yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /**
   * Takes the next bytes and yields each message that they complete, in order. The caller must
   * exhaust it before the next call. After an error the framer is of no further use.
   */
  *push(chunk: Buffer): Generator<string, void, undefined> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (this.#depth === 0) {
        if (isSpace(byte)) {
          start = at + 1;
          continue;
        }
        if (byte !== OPEN_BRACE) {
          throw new OvsdbProtocolError(
            `expected a JSON object, got byte 0x${(byte ?? 0).toString(16).padStart(2, "0")}`,
          );
        }
        this.#depth = 1;
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#depth += 1;
        if (this.#depth > this.#limits.maxDepth) {
          throw new OvsdbProtocolError(`message nested deeper than ${this.#limits.maxDepth}`);
        }
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth -= 1;
        if (this.#depth === 0) {
          yield this.#complete(chunk.subarray(start, at + 1));
          start = at + 1;
        }
      }
    }
    this.#append(chunk.subarray(start));
  }

  /** The finished message: what was held plus its last bytes. */
  #complete(last: Buffer): string {
    if (this.#length === 0) {
      this.#checkSize(last.length);
      return last.toString("utf8");
    }
    this.#append(last);
    const text = this.#buffer.toString("utf8", 0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return text;
  }

  #append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const needed = this.#length + bytes.length;
    this.#checkSize(needed);
    if (needed > this.#buffer.length) {
      // Doubling keeps the copying linear in the length of the message.
      const grown = Buffer.allocUnsafe(
        Math.max(needed, INITIAL_BUFFER_BYTES, 2 * this.#buffer.length),
      );
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#limits.maxMessageBytes) {
      throw new OvsdbProtocolError(`message longer than ${this.#limits.maxMessageBytes} bytes`);
    }
  }
}

/** The four JSON white-space characters (RFC 8259 2). */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
