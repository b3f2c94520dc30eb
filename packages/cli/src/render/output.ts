import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** Where a command writes: results to stdout, problems and progress to stderr. */
export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export class Output {
  readonly #stdout: NodeJS.WriteStream;
  readonly #stderr: NodeJS.WriteStream;
  #progressShown = false;

  constructor(streams: Streams) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
  }

  /** Whether a person looks at stdout. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Width to fit into; undefined where the output goes to a file or a program. */
  get columns(): number | undefined {
    return this.isTerminal ? Math.max(40, this.#stdout.columns ?? 80) : undefined;
  }

  print(...lines: readonly string[]): void {
    this.clearProgress();
    for (const line of lines) this.#stdout.write(`${line}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  note(...lines: readonly string[]): void {
    this.clearProgress();
    for (const line of lines) this.#stderr.write(`${line}\n`);
  }

  /** A line that the next one replaces; on a terminal only. */
  progress(line: string): void {
    if (this.#stderr.isTTY !== true) return;
    this.#stderr.write(`\r\x1b[K${line}`);
    this.#progressShown = true;
  }

  clearProgress(): void {
    if (!this.#progressShown) return;
    this.#stderr.write('\r\x1b[K');
    this.#progressShown = false;
  }

  /** Replaces the whole screen; on a terminal only. */
  redraw(lines: readonly string[]): void {
    this.#stdout.write(`\x1b[H\x1b[2J\x1b[3J${lines.join('\n')}\n`);
  }

  /** Coloured on a terminal that can and whose user wants it (`NO_COLOR`), plain elsewhere. */
  style(style: Style, text: string): string {
    return paint(this.#stdout, style, text);
  }

  styleNote(style: Style, text: string): string {
    return paint(this.#stderr, style, text);
  }
}

function paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return stream.isTTY === true && stream.hasColors() ? styleText(style, text) : text;
}
