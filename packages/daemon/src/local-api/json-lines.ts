/** JSON lines over a byte stream: one value a line, and no line longer than a limit. */

export type JsonLineErrorCode = 'line-too-long' | 'not-json';

export class JsonLineError extends Error {
  override readonly name = 'JsonLineError';
  constructor(
    readonly code: JsonLineErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

const NEWLINE = 0x0a;

/** Cuts bytes into parsed lines. After an error it is done: what follows cannot be told apart any more. */
export class JsonLineDecoder {
  readonly #maxLineBytes: number;
  #parts: Uint8Array[] = [];
  #bufferedBytes = 0;

  constructor(options: { readonly maxLineBytes: number }) {
    this.#maxLineBytes = options.maxLineBytes;
  }

  /** The lines that these bytes complete, in order; empty lines are skipped. Throws {@link JsonLineError}. */
  *push(bytes: Uint8Array): Generator<unknown> {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.#keep(bytes.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#bufferedBytes = 0;
      if (line.trim() !== '') yield parse(line);
    }
    this.#keep(bytes.subarray(start));
  }

  #keep(bytes: Uint8Array): void {
    this.#bufferedBytes += bytes.length;
    if (this.#bufferedBytes > this.#maxLineBytes) {
      this.#parts = [];
      throw new JsonLineError('line-too-long', `A line is longer than ${this.#maxLineBytes} bytes.`);
    }
    if (bytes.length > 0) this.#parts.push(bytes);
  }
}

/** One line, newline included. */
export function encodeJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new JsonLineError('not-json', 'A line is not JSON.', { cause });
  }
}
