import { PassThrough, Writable } from 'node:stream';

/** Collects what is written; a terminal where a test wants one. */
export class FakeOutput extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 80;

  constructor(options: { readonly isTTY?: boolean } = {}) {
    super();
    this.isTTY = options.isTTY ?? false;
  }

  hasColors(): boolean {
    return this.isTTY;
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.text += bytes.toString('utf8');
    done();
  }
}

export function fakeInput(text: string): PassThrough {
  const input = new PassThrough();
  input.end(text);
  return input;
}
