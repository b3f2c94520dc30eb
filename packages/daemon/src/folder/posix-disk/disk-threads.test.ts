import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, DiskStep } from '../../core/ports/folder-disk.js';
import { contentOf, makeTestFolder, noise, type TestFolder } from '../folder-fixture.js';

const rel = (path: string) => path as RelativePath;
/** Threads run what is built: the tests of everything build first. */
const workerUrl = new URL('../../../dist/folder/posix-disk/disk-worker.js', import.meta.url);

describe.skipIf(!existsSync(fileURLToPath(workerUrl)))('disk threads', () => {
  let folder: TestFolder;

  beforeEach(() => {
    folder = makeTestFolder({ threads: 2, workerUrl });
  });

  afterEach(() => folder.remove());

  const create = (name: string, text: string): DiskStep[] => [
    {
      op: 'write-temp',
      temp: `tmp/${name}` as AreaPath,
      bytes: Buffer.from(text),
      mtimeNs: 10n ** 18n,
      mode: 0o644,
    },
    { op: 'link-temp', temp: `tmp/${name}` as AreaPath, to: rel(name) },
  ];

  it('do the same as the calling thread', async () => {
    const names = Array.from({ length: 600 }, (_, i) => `f${i}`);
    const results = await folder.disk.run(names.map((name) => create(name, `text of ${name}`)));
    expect(results.length).toBe(600);
    for (const [i, name] of names.entries()) {
      expect(results[i]).toEqual([
        { ok: true, stat: expect.objectContaining({ links: 1 }) },
        { ok: true, stat: await folder.stat(name) },
      ]);
    }
    const files = await Promise.all(
      names.map(async (name) => ({ path: rel(name), expected: await folder.stat(name) })),
    );
    const hashed = await folder.disk.hashSmall(files);
    expect(hashed.map((result) => result.ok && result.value.content)).toEqual(
      names.map((name) => contentOf(`text of ${name}`)),
    );
    const listed = await folder.disk.list('');
    expect(listed.ok && listed.value.entries.length).toBe(601);
  });

  it('let short calls pass long ones, and give those up', async () => {
    folder.write('large', noise(40_000_000));
    folder.write('small', 'x');
    const abort = new AbortController();
    const ended: string[] = [];
    const expected = await folder.stat('large');
    const hashing = folder.disk.hash(rel('large'), expected, abort.signal).then((result) => {
      ended.push('large');
      return result;
    });
    await folder.disk.stat([rel('small')]);
    ended.push('small');
    abort.abort();
    expect(await hashing).toMatchObject({ ok: false, error: { code: 'aborted' } });
    expect(ended).toEqual(['small', 'large']);
  });

  it('hand chunks over both ways', async () => {
    const bytes = noise(3_000_000);
    const content = contentOf(bytes);
    folder.write('source', bytes);
    let offsetBytes = 0;
    const places = content.chunks.map((chunk) => {
      const place = { offsetBytes, chunk };
      offsetBytes += chunk.lengthBytes;
      return place;
    });
    const read = await folder.disk.readChunks(places.map((place) => ({ path: rel('source'), ...place })));
    await folder.disk.openPartial(content);
    const writes = places.map((place, i) => ({ ...place, bytes: read[i] ?? new Uint8Array() }));
    const written = await folder.disk.writeChunks(content.hash, writes);
    expect(written.every((result) => result.ok && result.value === 'written')).toBe(true);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
  });

  it('hash ahead what they write, and go on from there', async () => {
    const bytes = noise(17 * 2 ** 20);
    const content = contentOf(bytes);
    await folder.disk.openPartial(content);
    let offsetBytes = 0;
    for (const [i, chunk] of content.chunks.entries()) {
      const chunkBytes = new Uint8Array(bytes.subarray(offsetBytes, offsetBytes + chunk.lengthBytes));
      await folder.disk.writeChunks(content.hash, [{ offsetBytes, chunk, bytes: chunkBytes }]);
      offsetBytes += chunk.lengthBytes;
      if (i % 10 === 9) void folder.disk.hashAhead(content.hash, offsetBytes);
    }
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
  });

  it('refuse calls after they were closed', async () => {
    const pending = folder.disk.stat([rel('x')]);
    await folder.disk.close();
    await pending.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_DISK_THREAD' }));
    await expect(folder.disk.stat([rel('x')])).rejects.toMatchObject({ code: 'ERR_DISK_THREAD' });
  });
});
