// Where the command line writes: standard output and error, their width, and a status line that is
// only drawn on a terminal. The one place that knows about terminals; tests pass their own.

export interface Terminal {
  /** To standard output, as it is. */
  write(text: string): void;
  /** To standard error, as it is. */
  writeError(text: string): void;
  /** Width of standard output; null = not a terminal, nothing is cut. */
  readonly columns: number | null;
  /** Standard error is a terminal: progress may be drawn. */
  readonly showsProgress: boolean;
  /** Everything on standard input. */
  readInput(): Promise<string>;
  /** Asks a yes/no question; null = nobody there to answer. */
  confirm(question: string): Promise<boolean | null>;
}

/** The real one. */
export function processTerminal(): Terminal {
  return {
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    columns: process.stdout.isTTY ? process.stdout.columns : null,
    showsProgress: process.stderr.isTTY,
    readInput: async () => {
      const parts: Buffer[] = [];
      for await (const part of process.stdin) parts.push(part as Buffer);
      return Buffer.concat(parts).toString("utf8");
    },
    confirm: async (question) => {
      if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
      const { createInterface } = await import("node:readline/promises");
      const asking = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim());
      } finally {
        asking.close();
      }
    },
  };
}

/** A line on standard error that is drawn over and over; nothing where there is no terminal. */
export class StatusLine implements Disposable {
  readonly #terminal: Terminal;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(text: string): void {
    if (!this.#terminal.showsProgress) return;
    const width = (this.#terminal.columns ?? 80) - 1;
    this.#terminal.writeError(`\r\x1b[K${text.slice(0, width)}`);
    this.#shown = true;
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#terminal.writeError("\r\x1b[K");
    this.#shown = false;
  }
}
