import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/**
 * An append-only text file that never outgrows twice its limit: when it is full it becomes `<path>.1`, in place of an
 * older one. Writes at once, so that the last lines before a crash are there; what cannot be written is dropped and
 * counted, because a full disk must not stop what it is told about.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #handle: number | undefined;
  #sizeBytes = 0;
  #dropped = 0;

  constructor(path: string, options: { readonly maxBytes: number }) {
    this.#path = path;
    this.#maxBytes = options.maxBytes;
  }

  /** Lines that could not be written. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    try {
      const bytes = Buffer.from(line);
      const handle = this.#openFor(bytes.length);
      writeSync(handle, bytes);
      this.#sizeBytes += bytes.length;
    } catch {
      this.#dropped++;
    }
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  #openFor(byteCount: number): number {
    if (this.#handle !== undefined && this.#sizeBytes + byteCount > this.#maxBytes && this.#sizeBytes > 0) {
      this.close();
      renameSync(this.#path, `${this.#path}.1`);
    }
    if (this.#handle === undefined) {
      this.#handle = openSync(this.#path, 'a', 0o600);
      this.#sizeBytes = fstatSync(this.#handle).size;
    }
    return this.#handle;
  }
}
