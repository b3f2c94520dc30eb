import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from './logger.js';
import { RotatingFile } from './rotating-file.js';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'landropic-log-'));
  file = join(directory, 'daemon.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the log', () => {
  it('has one object a line, for its owner alone, and in a stream as well', () => {
    const streamed: string[] = [];
    const stream = { write: (line: string) => streamed.push(line) };
    const logger = createLogger({ level: 'info', file, stream });
    logger.log.child({ folder: 'photos' }).info({ files: 3 }, 'scanned\nall');
    logger.log.debug({}, 'too quiet');
    logger.setLevel('debug');
    logger.log.debug({}, 'heard');
    logger.close();
    expect(linesOf(file)).toMatchObject([
      {
        level: 'info',
        folder: 'photos',
        files: 3,
        msg: 'scanned\nall',
        time: expect.stringMatching(/^\d{4}-/),
      },
      { level: 'debug', msg: 'heard' },
    ]);
    expect(streamed.join('')).toBe(readFileSync(file, 'utf8'));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('has errors with their codes and causes', () => {
    const logger = createLogger({ level: 'info', file });
    const cause = Object.assign(new Error('inner'), { code: 'ENOSPC' });
    logger.log.error({ err: new Error('outer', { cause }) }, 'failed');
    logger.close();
    expect(linesOf(file)).toMatchObject([
      { err: { message: 'outer', stack: expect.any(String), cause: { message: 'inner', code: 'ENOSPC' } } },
    ]);
  });

  it('has no secrets, at whatever depth they are handed to it', () => {
    const logger = createLogger({ level: 'info', file });
    const secret = 'do-not-tell';
    logger.log.info({ ticket: secret, frame: { proof: secret, of: { secret } }, keyPem: secret }, 'pairing');
    logger.log.child({ ticket: secret }).info({}, 'again');
    logger.close();
    expect(readFileSync(file, 'utf8')).not.toContain(secret);
    expect(linesOf(file)[0]).toMatchObject({ ticket: '[secret]' });
  });
});

describe('a rotating file', () => {
  it('goes on where it was and never outgrows twice its limit', () => {
    const line = `${'x'.repeat(99)}\n`;
    for (let run = 0; run < 5; run++) {
      const rotating = new RotatingFile(file, { maxBytes: 1000 });
      for (let i = 0; i < 7; i++) rotating.write(line);
      rotating.close();
    }
    expect(readdirSync(directory).sort()).toEqual(['daemon.log', 'daemon.log.1']);
    expect(statSync(`${file}.1`).size).toBe(1000);
    expect(statSync(file).size).toBe(500);
  });

  it('drops what it cannot write, and goes on once it can', () => {
    const rotating = new RotatingFile(join(directory, 'missing', 'log'), { maxBytes: 100 });
    rotating.write('lost\n');
    expect(rotating.dropped).toBe(1);
    mkdirSync(join(directory, 'missing'));
    rotating.write('kept\n');
    rotating.close();
    expect(rotating.dropped).toBe(1);
    expect(readFileSync(join(directory, 'missing', 'log'), 'utf8')).toBe('kept\n');
  });
});
