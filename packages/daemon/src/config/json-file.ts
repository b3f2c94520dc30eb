import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { ConfigError } from './config-error.js';
import { findJsonFlaw } from './json-flaw.js';

/** A small JSON file of the home: read whole against a schema, written whole or not at all. */
export class JsonFile<T> {
  readonly path: string;
  readonly #schema: z.ZodType<T>;
  readonly #mend: string;

  /** `mend` ends the error of a damaged file: what a person can do about it. */
  constructor(path: string, schema: z.ZodType<T>, options: { readonly mend: string }) {
    this.path = path;
    this.#schema = schema;
    this.#mend = options.mend;
  }

  /** Undefined when there is no such file. Throws {@link ConfigError} `config-damaged` or `home-not-writable`. */
  read(): T | undefined {
    const text = this.#readText();
    if (text === undefined) return undefined;
    const parsed = this.#schema.safeParse(this.#parse(text));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const key = issue?.path.join('.');
    throw this.damaged(`${key ? `"${key}": ` : ''}${issue?.message ?? 'not as it should be'}`, parsed.error);
  }

  /** Flushed to disk when this returns; a crash leaves the old file or the new one. */
  write(value: T): void {
    const temporary = join(dirname(this.path), `.${basename(this.path)}.${randomBytes(6).toString('hex')}`);
    try {
      writeFileSync(temporary, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
      flush(temporary);
      renameSync(temporary, this.path);
    } catch (cause) {
      rmSync(temporary, { force: true });
      throw new ConfigError('home-not-writable', `${this.path} cannot be written.`, {
        hint: 'Make its directory writable and see that the disk is not full.',
        cause,
      });
    }
    // Windows cannot open directories, and keeps renames in its journal.
    if (process.platform !== 'win32') flush(dirname(this.path));
  }

  damaged(what: string, cause?: unknown): ConfigError {
    return new ConfigError('config-damaged', `${this.path} is damaged: ${what}.`, {
      hint: this.#mend,
      cause,
    });
  }

  #readText(): string | undefined {
    try {
      return readFileSync(this.path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ConfigError('home-not-writable', `${this.path} cannot be read.`, {
        hint: 'Make it readable for this user.',
        cause,
      });
    }
  }

  #parse(text: string): unknown {
    // Windows editors like to begin a file with a byte order mark.
    const json = text.replace(/^\ufeff/, '');
    try {
      return JSON.parse(json);
    } catch (cause) {
      const before = json.slice(0, findJsonFlaw(json) ?? json.length).split('\n');
      const column = (before.at(-1)?.length ?? 0) + 1;
      throw this.damaged(`it stops being JSON at line ${before.length}, column ${column}`, cause);
    }
  }
}

function flush(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
