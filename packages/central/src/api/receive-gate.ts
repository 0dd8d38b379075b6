// Who may send the request of a call, and when: bounds the bytes of requests in flight over all callers. Until a call is let in, its
// bytes are held back by HTTP/2 flow control. Plain counting and queues; gated-calls.ts asks it for every northbound call.
//
//   open() -> unread (a queue a caller, callers in turn) -> receiving (may be of any size) -> held (its bytes) -> done
//
// Invariant: receiving + held bytes <= maxHeldBytes + maxReceiving x the largest request.

import {
  maxHeldBytes,
  maxHeldBytesPerCaller,
  maxReceiveMs,
  maxReceiving,
  maxReceivingPerCaller,
  maxRequestStreams,
  maxUnreadCalls,
  maxUnreadCallsPerCaller,
  maxUnreadMs,
  receiveMs,
} from "./limits.ts";

/** What happens to a call; one of them, later or before open() returns. */
export interface Gated {
  /** Its request may come. */
  readonly start: () => void;
  /** It is to be refused with this text: before or after start(). */
  readonly refuse: (text: string) => void;
}

export class ReceiveGate {
  readonly #callers = new Map<string, Caller>();
  #unread = 0;
  #receiving = 0;
  #heldBytes = 0;
  #streams = 0;

  /** A unary request. `caller`: whose limits count. */
  open(caller: string, gated: Gated): Passage {
    const { counts } = this;
    let of = this.#callers.get(caller);
    if (of === undefined) {
      of = { name: caller, unread: new Set(), receiving: 0, heldBytes: 0 };
      this.#callers.set(caller, of);
    }
    const passage = new Passage({ gated, caller: of, counts });
    if (this.#mayReceive(of)) {
      passage.receive();
    } else if (this.#unread >= maxUnreadCalls || of.unread.size >= maxUnreadCallsPerCaller) {
      const whose = this.#unread >= maxUnreadCalls ? maxUnreadCalls : maxUnreadCallsPerCaller;
      const who = this.#unread >= maxUnreadCalls ? "" : ` of ${caller}`;
      gated.refuse(`${whose} calls${who} wait to be read already: ${wayOut}`);
    } else {
      passage.wait();
    }
    return passage;
  }

  /** A call that streams requests: counted as long as it lives, never queued. */
  openStream(gated: Gated): { done(): void } {
    if (this.#streams >= maxRequestStreams) {
      gated.refuse(`${maxRequestStreams} calls of this kind are open already: end one first`);
      return { done: () => undefined };
    }
    this.#streams += 1;
    const text = `the call took more than ${maxReceiveMs / 1000} s: begin it again`;
    const timer = setTimeout(() => gated.refuse(text), maxReceiveMs);
    let isDone = false;
    gated.start();
    return {
      done: () => {
        if (!isDone) this.#streams -= 1;
        isDone = true;
        clearTimeout(timer);
      },
    };
  }

  readonly counts: Counts = {
    unread: (by) => {
      this.#unread += by;
    },
    receiving: (of, by) => {
      of.receiving += by;
      this.#receiving += by;
    },
    held: (of, by) => {
      of.heldBytes += by;
      this.#heldBytes += by;
    },
    someoneWaits: () => this.#unread > 0,
    freed: (of) => {
      this.#advance();
      if (of.receiving === 0 && of.heldBytes === 0 && of.unread.size === 0) {
        if (this.#callers.get(of.name) === of) this.#callers.delete(of.name);
      }
    },
  };

  #mayReceive(of: Caller): boolean {
    if (this.#receiving >= maxReceiving || this.#heldBytes > maxHeldBytes) return false;
    return of.receiving < maxReceivingPerCaller && of.heldBytes <= maxHeldBytesPerCaller;
  }

  /** Lets in who may, one of each caller in turn. */
  #advance(): void {
    if (this.#unread === 0) return;
    let isStuck = false;
    while (!isStuck) {
      isStuck = true;
      for (const of of [...this.#callers.values()]) {
        const [first] = of.unread;
        if (first === undefined || !this.#mayReceive(of)) continue;
        isStuck = false;
        // Last in the next round.
        this.#callers.delete(of.name);
        this.#callers.set(of.name, of);
        first.receive();
      }
    }
  }
}

const wayOut = "make fewer calls at once, or split large sets";

interface Caller {
  readonly name: string;
  /** In the order they came. */
  readonly unread: Set<Passage>;
  receiving: number;
  heldBytes: number;
}

interface Counts {
  readonly unread: (by: number) => void;
  readonly receiving: (of: Caller, by: number) => void;
  readonly held: (of: Caller, by: number) => void;
  readonly someoneWaits: () => boolean;
  readonly freed: (of: Caller) => void;
}

/** One call on its way through the gate. */
export class Passage {
  readonly #gated: Gated;
  readonly #caller: Caller;
  readonly #counts: Counts;
  #state: "new" | "unread" | "receiving" | "held" | "done" = "new";
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { gated: Gated; caller: Caller; counts: Counts }) {
    this.#gated = options.gated;
    this.#caller = options.caller;
    this.#counts = options.counts;
  }

  /** For the gate: queues it. */
  wait(): void {
    this.#state = "unread";
    this.#caller.unread.add(this);
    this.#counts.unread(1);
    const text = `central could not read the request within ${maxUnreadMs / 1000} s: ${wayOut}`;
    this.#timer = setTimeout(() => this.#refuse(text), maxUnreadMs);
  }

  /** For the gate: lets it in. */
  receive(): void {
    this.#leaveQueue();
    this.#state = "receiving";
    this.#counts.receiving(this.#caller, 1);
    const startMs = performance.now();
    const look = (): void => {
      const tookMs = performance.now() - startMs;
      if (tookMs < maxReceiveMs && !this.#counts.someoneWaits()) {
        this.#timer = setTimeout(look, 1000);
        return;
      }
      const seconds = Math.round(tookMs / 1000);
      this.#refuse(`the request was not there after ${seconds} s, and others wait: ${wayOut}`);
    };
    this.#timer = setTimeout(look, receiveMs);
    this.#gated.start();
  }

  /** All of the request is there. */
  received(bytes: number): void {
    if (this.#state !== "receiving") return;
    clearTimeout(this.#timer);
    this.#state = "held";
    this.#bytes = bytes;
    this.#counts.receiving(this.#caller, -1);
    this.#counts.held(this.#caller, bytes);
    this.#counts.freed(this.#caller);
  }

  /** Nothing of it is kept any more; may be told again. */
  done(): void {
    clearTimeout(this.#timer);
    const state = this.#state;
    this.#leaveQueue();
    this.#state = "done";
    if (state === "receiving") this.#counts.receiving(this.#caller, -1);
    if (state === "held") this.#counts.held(this.#caller, -this.#bytes);
    if (state !== "done") this.#counts.freed(this.#caller);
  }

  #leaveQueue(): void {
    clearTimeout(this.#timer);
    if (this.#state === "unread" && this.#caller.unread.delete(this)) this.#counts.unread(-1);
  }

  #refuse(text: string): void {
    this.#gated.refuse(text);
    this.done();
  }
}
