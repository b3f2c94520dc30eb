import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScriptedStream } from './scripted-stream.fixture.js';
import { StreamReader } from './stream-reader.js';

type Step =
  | { readonly what: 'bring'; readonly bytes: Uint8Array }
  | { readonly what: 'read'; readonly into: number | undefined }
  | { readonly what: 'exactly'; readonly size: number }
  | { readonly what: 'give-up' };

const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant('bring' as const), bytes: fc.uint8Array({ maxLength: 12 }) }),
    fc.record({ what: fc.constant('read' as const), into: fc.option(fc.nat(9), { nil: undefined }) }),
    fc.record({ what: fc.constant('exactly' as const), size: fc.nat(20) }),
    fc.constant({ what: 'give-up' as const }),
  ),
  { maxLength: 30 },
);

/** Plays the steps, at most one read at a time, and returns everything that reads brought, in order. */
async function play(script: readonly Step[]): Promise<{ sent: Uint8Array; received: Uint8Array }> {
  const stream = new ScriptedStream();
  const reader = new StreamReader(stream);
  const sent: Uint8Array[] = [];
  const received: Uint8Array[] = [];
  let abort: AbortController | undefined;
  let reading: Promise<void> = Promise.resolve();
  const start = (read: (signal: AbortSignal) => Promise<Uint8Array | null>): void => {
    if (abort !== undefined) return;
    const mine = new AbortController();
    abort = mine;
    reading = read(mine.signal)
      .then((bytes) => {
        // A copy: the buffer must hold what it held when it was handed up.
        if (bytes !== null) received.push(new Uint8Array(bytes));
      })
      .catch(() => undefined)
      .finally(() => {
        abort = undefined;
      });
  };
  for (const step of script) {
    if (step.what === 'bring') {
      sent.push(step.bytes);
      stream.bring(step.bytes);
    } else if (step.what === 'give-up') {
      abort?.abort();
    } else if (step.what === 'read') {
      const { into } = step;
      start((signal) => reader.read(into === undefined ? undefined : new Uint8Array(into + 1), { signal }));
    } else {
      start((signal) => reader.readExactly(step.size, { signal }));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  abort?.abort();
  await reading;
  stream.end();
  received.push(await reader.readToEnd(1_000));
  return { sent: Buffer.concat(sent), received: Buffer.concat(received) };
}

describe('StreamReader', () => {
  it('hands up every byte once and in order, whatever is given up in between', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const { sent, received } = await play(script);
        expect(received).toEqual(sent);
      }),
      { numRuns: 200 },
    );
  });

  it('begins with bytes that somebody has read already', async () => {
    const stream = new ScriptedStream();
    stream.bring(Buffer.from('cd'));
    const reader = new StreamReader(stream, Buffer.from('ab'));
    expect(Buffer.from(await reader.readExactly(3)).toString()).toBe('abc');
    expect(Buffer.from((await reader.read()) ?? []).toString()).toBe('d');
  });

  it('reads straight into the buffer of the caller when the read cannot be given up', async () => {
    const stream = new ScriptedStream();
    stream.bring(Buffer.from('xyz'));
    const into = new Uint8Array(2);
    const bytes = await new StreamReader(stream).read(into);
    expect(bytes?.buffer).toBe(into.buffer);
    expect(Buffer.from(into).toString()).toBe('xy');
  });

  it('refuses two reads at once', async () => {
    const reader = new StreamReader(new ScriptedStream());
    void reader.read();
    await expect(reader.read()).rejects.toMatchObject({ code: 'stream-misused' });
  });

  it('throws away up to a limit, and stops what does not end', async () => {
    const short = new ScriptedStream();
    short.bring(new Uint8Array(100));
    short.end();
    await new StreamReader(short).discard({ maxBytes: 100, code: 5 });
    expect(short.stopCode).toBeUndefined();
    const long = new ScriptedStream();
    long.bring(new Uint8Array(101));
    await new StreamReader(long).discard({ maxBytes: 100, code: 5 });
    expect(long.stopCode).toBe(5);
  });
});
