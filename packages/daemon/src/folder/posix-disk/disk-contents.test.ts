import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, DiskStep, StepResult } from '../../core/ports/folder-disk.js';
import { contentOf, hashOf, makeTestFolder, noise, type TestFolder } from '../folder-fixture.js';

const rel = (path: string) => path as RelativePath;
const area = (path: string) => path as AreaPath;
const signal = () => new AbortController().signal;

let folder: TestFolder;

beforeEach(() => {
  folder = makeTestFolder();
});

afterEach(async () => {
  await folder.remove();
});

async function run(...steps: DiskStep[]): Promise<StepResult[]> {
  const [results] = await folder.disk.run([steps]);
  return results ?? [];
}

describe('hashing', () => {
  it('gives the chunks and hashes that the content has', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_000, 14_500_000]) {
      const bytes = noise(size, size);
      folder.write('file', bytes);
      const expected = await folder.stat('file');
      const content = contentOf(bytes);
      expect(await folder.disk.hash(rel('file'), expected, signal())).toEqual({
        ok: true,
        value: { stat: expected, content },
      });
      if (size > 2 ** 20) continue;
      expect(await folder.disk.hashSmall([{ path: rel('file'), expected }])).toEqual([
        { ok: true, value: { stat: expected, content } },
      ]);
    }
  });

  it('takes nothing for the file that is not as expected', async () => {
    folder.write('file', 'before');
    const expected = await folder.stat('file');
    folder.write('file', 'after!');
    expect(await folder.disk.hash(rel('file'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'changed-meanwhile' },
    });
  });

  it('does not wait for the other end of a FIFO', async () => {
    folder.write('file', '');
    const expected = await folder.stat('file');
    rmSync(join(folder.root, 'file'));
    execFileSync('mkfifo', [join(folder.root, 'file')]);
    expect(await folder.disk.hash(rel('file'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'not-a-file' },
    });
  });

  it('can be given up', async () => {
    folder.write('file', noise(2_000_000));
    const expected = await folder.stat('file');
    const abort = new AbortController();
    const hashing = folder.disk.hash(rel('file'), expected, abort.signal);
    abort.abort();
    expect(await hashing).toMatchObject({ ok: false, error: { code: 'aborted' } });
    expect(await folder.disk.hash(rel('file'), expected, abort.signal)).toMatchObject({
      ok: false,
      error: { code: 'aborted' },
    });
  });
});

describe('a partial', () => {
  const bytes = noise(2_500_000);
  const content = contentOf(bytes);
  const writes = () => {
    let offsetBytes = 0;
    return content.chunks.map((chunk) => {
      const at = offsetBytes;
      offsetBytes += chunk.lengthBytes;
      return { offsetBytes: at, chunk, bytes: Uint8Array.from(bytes.subarray(at, offsetBytes)) };
    });
  };

  it('goes on from the chunks it has, and becomes a temp when it is complete', async () => {
    expect(content.chunks.length).toBeGreaterThan(3);
    const all = writes();
    expect(await folder.disk.openPartial(content)).toEqual({
      ok: true,
      value: { present: all.map(() => false) },
    });
    expect(await folder.disk.writeChunks(content.hash, all.slice(1, 3))).toEqual([
      { ok: true, value: 'written' },
      { ok: true, value: 'written' },
    ]);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
    expect(await folder.disk.listPartials()).toEqual([content.hash]);
    const present = all.map((_, i) => i === 1 || i === 2);
    expect(await folder.disk.openPartial(content)).toEqual({ ok: true, value: { present } });
    await folder.disk.writeChunks(
      content.hash,
      writes().filter((_, i) => !present[i]),
    );
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
    const results = await run(
      { op: 'partial-to-temp', hash: content.hash, temp: area('tmp/t'), mtimeNs: 10n ** 18n, mode: 0o755 },
      { op: 'link-temp', temp: area('tmp/t'), to: rel('file') },
    );
    expect(results).toMatchObject([
      { ok: true },
      { ok: true, stat: { mtimeNs: 10n ** 18n, mode: 0o755, links: 1 } },
    ]);
    expect(readFileSync(join(folder.root, 'file')).equals(bytes)).toBe(true);
    expect(await folder.disk.listPartials()).toEqual([]);
  });

  it('takes no chunk that is not the one it should be', async () => {
    await folder.disk.openPartial(content);
    const [first, second] = writes();
    if (first === undefined || second === undefined) throw new Error('two chunks');
    const flipped = { ...first, bytes: first.bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) };
    const beyond = { ...second, offsetBytes: content.sizeBytes - 1 };
    const results = await folder.disk.writeChunks(content.hash, [
      flipped,
      { ...first, bytes: first.bytes.subarray(1) },
      beyond,
    ]);
    expect(results).toMatchObject([
      { value: 'wrong-hash' },
      { value: 'wrong-hash' },
      { ok: false, error: { code: 'EFBIG' } },
    ]);
    expect(statSync(join(folder.root, `.landropic/tmp/${content.hash}.part`)).size).toBe(content.sizeBytes);
  });

  it('copies what local files have, where it is right', async () => {
    folder.write('source', Buffer.concat([Buffer.from('prefix'), bytes]));
    await folder.disk.openPartial(content);
    const copies = writes().map(({ offsetBytes, chunk }, i) => ({
      from: { path: rel('source'), offsetBytes: offsetBytes + (i === 1 ? 0 : 6) },
      offsetBytes,
      chunk,
    }));
    const expected = copies.map((_, i) => i !== 1);
    expect(await folder.disk.copyChunks(content.hash, copies)).toEqual(expected);
    expect(await folder.disk.openPartial(content)).toEqual({ ok: true, value: { present: expected } });
  });

  it('can be discarded, twice', async () => {
    await folder.disk.openPartial(content);
    await folder.disk.discardPartial(content.hash);
    await folder.disk.discardPartial(content.hash);
    expect(await folder.disk.listPartials()).toEqual([]);
  });

  it('is cut to the size of its content', async () => {
    await folder.disk.openPartial(content);
    truncateSync(join(folder.root, `.landropic/tmp/${content.hash}.part`), 10);
    expect(await folder.disk.openPartial(content)).toMatchObject({ ok: true });
    expect(statSync(join(folder.root, `.landropic/tmp/${content.hash}.part`)).size).toBe(content.sizeBytes);
  });
});

describe('reading chunks', () => {
  it('returns those that are right, in order', async () => {
    folder.write('a', 'one two');
    const ask = (path: string, offsetBytes: number, text: string) => ({
      path: rel(path),
      offsetBytes,
      chunk: { hash: hashOf(text), lengthBytes: text.length },
    });
    const read = await folder.disk.readChunks([
      ask('a', 4, 'two'),
      ask('a', 0, 'ONE'),
      ask('b', 0, 'x'),
      ask('a', 0, 'one'),
      ask('a', 6, 'oo'),
    ]);
    expect(read.map((bytes) => bytes && Buffer.from(bytes).toString())).toEqual([
      'two',
      undefined,
      undefined,
      'one',
      undefined,
    ]);
  });
});
