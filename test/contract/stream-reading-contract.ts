import { describe, expect, it } from 'vitest';
import {
  type BidiStream,
  type ReceiveStream,
  StreamReader,
  splitStream,
  toReadableStream,
  toWebStreams,
  toWritableStream,
} from '../../packages/quic/src/index.js';
import {
  asBidi,
  type ContractStage,
  codeOf,
  collectStreams,
  echoStreams,
  errorOf,
  readAll,
  writeAll,
} from './transport-contract-stage.js';

const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString();

/** What is built over the ports for a single stream: readers, writers, halves, web streams. */
export function describeStreamReading(stage: ContractStage): void {
  async function openPair(): Promise<{ near: BidiStream; far: BidiStream }> {
    const { dialled, accepted } = await stage.connect();
    const next = collectStreams(accepted);
    const near = await dialled.openBidi();
    await near.write(Buffer.from('!'));
    const far = asBidi(await next());
    expect(text(await far.read(new Uint8Array(1)))).toBe('!');
    return { near, far };
  }

  describe('stream readers', () => {
    it('read exactly as much as asked for, however it comes', async () => {
      const { near, far } = await openPair();
      const sent = Buffer.from(Array.from({ length: 5_000 }, (_, i) => i % 251));
      for (let i = 0; i < sent.length; i += 700) await near.write(sent.subarray(i, i + 700));
      await near.finish();
      const reader = new StreamReader(far);
      const sizes = [1, 2_999, 0, 1_000, 1_000];
      const pieces: Uint8Array[] = [];
      for (const [i, size] of sizes.entries()) {
        const options = i % 2 === 0 ? {} : { signal: new AbortController().signal };
        pieces.push(await reader.readExactly(size, options));
      }
      expect(pieces.map((piece) => piece.length)).toEqual(sizes);
      expect(Buffer.concat(pieces)).toEqual(sent);
      expect(await reader.read()).toBeNull();
      await far.finish();
      expect(await near.read()).toBeNull();
    });

    it('lose nothing when a read is given up', async () => {
      const { near, far } = await openPair();
      const reader = new StreamReader(far);
      const abort = new AbortController();
      await near.write(Buffer.from('abc'));
      const reading = errorOf(reader.readExactly(10, { signal: abort.signal }));
      const waiting = near.read();
      await far.write(Buffer.from('seen'));
      await waiting;
      abort.abort('too slow');
      const error = await reading;
      expect([error.code, error.cause]).toEqual(['aborted', 'too slow']);
      expect(await codeOf(reader.read(undefined, { signal: abort.signal }))).toBe('aborted');
      await writeAll(near, 'defghij');
      expect(text(await reader.readExactly(10))).toBe('abcdefghij');
      expect(await reader.read()).toBeNull();
    });

    it('say when a stream ends too early, and still give what came', async () => {
      const { near, far } = await openPair();
      const reader = new StreamReader(far);
      await writeAll(near, 'half');
      expect(await codeOf(reader.readExactly(5))).toBe('stream-ended');
      expect(text(await reader.readExactly(3))).toBe('hal');
      expect(text(await reader.read(new Uint8Array(8)))).toBe('f');
      expect(await reader.read()).toBeNull();
    });

    it('stop at the limit for everything', async () => {
      const { near, far } = await openPair();
      await writeAll(near, Buffer.alloc(3_000));
      expect((await new StreamReader(far).readToEnd(3_000)).length).toBe(3_000);
      await writeAll(far, Buffer.alloc(3_000));
      const reader = new StreamReader(near);
      expect(await codeOf(reader.readToEnd(2_999))).toBe('too-long');
    });

    it('fail with the code of a reset, after any number of given-up reads', async () => {
      const { near, far } = await openPair();
      const reader = new StreamReader(far);
      const given = AbortSignal.abort();
      const abort = new AbortController();
      const waiting = codeOf(reader.read(undefined, { signal: abort.signal }));
      abort.abort();
      expect(await waiting).toBe('aborted');
      expect(await codeOf(reader.read(undefined, { signal: given }))).toBe('aborted');
      near.reset(42);
      const error = await errorOf(reader.read());
      expect([error.code, error.details.streamCode]).toEqual(['stream-reset', 42]);
    });
  });

  describe('stream halves', () => {
    it('work without each other', async () => {
      const { near, far } = await openPair();
      const { reader, writer } = splitStream(near);
      expect([reader.id, writer.id]).toEqual([near.id, near.id]);
      await writer.writeFrom([Buffer.from('from '), Buffer.from('pieces')]);
      await writer.finish();
      expect((await readAll(far)).toString()).toBe('from pieces');
      await writeAll(far, 'answer');
      expect(text(await reader.readToEnd(100))).toBe('answer');
    });

    it('give up waiting for room, not what was written', async () => {
      const { near, far } = await openPair();
      const { writer } = splitStream(near);
      const abort = new AbortController();
      const size = 24 * 1024 * 1024;
      const writing = codeOf(writer.write(Buffer.alloc(size, 5), { signal: abort.signal }));
      abort.abort();
      expect(await writing).toBe('aborted');
      expect(await codeOf(writer.write(Buffer.from('no'), { signal: abort.signal }))).toBe('aborted');
      const finishing = writer.finish();
      const received = await readAll(far);
      await finishing;
      expect([received.length, received.at(-1)]).toEqual([size, 5]);
    });
  });

  describe('web streams', () => {
    it('carry bytes through a pipe and end in order', async () => {
      const { dialled, accepted } = await stage.connect();
      echoStreams(accepted);
      const { readable, writable } = toWebStreams(await dialled.openBidi());
      const writer = writable.getWriter();
      const writing = (async () => {
        const chunk = new Uint8Array(10_000);
        for (let i = 0; i < 50; i++) await writer.write(chunk.fill(i));
        await writer.close();
      })();
      let received = 0;
      for await (const chunk of readable) {
        for (const [i, byte] of chunk.entries()) {
          if (byte !== Math.trunc((received + i) / 10_000)) throw new Error(`wrong at ${received + i}`);
        }
        received += chunk.length;
      }
      await writing;
      expect(received).toBe(500_000);
      expect(dialled.stats()).toMatchObject({ streamsOpen: 0, streamsAborted: 0 });
    });

    it('fill a buffer of the reader', async () => {
      const { near, far } = await openPair();
      await writeAll(near, 'into the buffer');
      const reader = toReadableStream(far).getReader({ mode: 'byob' });
      let all = '';
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(4));
        if (value !== undefined) all += text(value);
        expect(value?.length ?? 0).toBeLessThanOrEqual(4);
        if (done) break;
      }
      expect(all).toBe('into the buffer');
    });

    it('read nothing that nobody asked for', async () => {
      const { near, far } = await openPair();
      const readable = toReadableStream(far);
      await writeAll(near, 'x');
      // Still there for others: the web stream has not taken it.
      expect(text(await far.read())).toBe('x');
      expect(readable.locked).toBe(false);
    });

    it('make a writer wait whose reader does not read', async () => {
      const { near, far } = await openPair();
      const writer = toWritableStream(near).getWriter();
      const chunk = new Uint8Array(4 * 1024 * 1024);
      let written = 0;
      const writing = (async () => {
        for (let i = 0; i < 6; i++) {
          await writer.write(chunk);
          written += chunk.length;
        }
        await writer.close();
      })();
      const reader = toReadableStream(far).getReader();
      const first = await reader.read();
      expect(written).toBeLessThan(6 * chunk.length);
      let received = first.value?.length ?? 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        received += value.length;
      }
      await writing;
      expect(received).toBe(6 * chunk.length);
    });

    it('read on and throw away after a cancel, which costs no stream credit', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openUni();
      const writing = writeAll(stream, Buffer.alloc(2 * 1024 * 1024));
      const reader = toReadableStream((await next()) as ReceiveStream).getReader();
      await reader.read();
      await reader.cancel('seen enough');
      await writing;
      expect((await reader.read()).done).toBe(true);
      expect([dialled.stats().streamsAborted, accepted.stats().streamsAborted]).toEqual([0, 0]);
    });

    it('stop a stream that does not end after a cancel', async () => {
      const { near, far } = await openPair();
      const readable = toReadableStream(far, { maxDiscardedBytes: 100_000, stopCode: 9 });
      await readable.cancel();
      const error = await errorOf(
        (async () => {
          for (;;) await near.write(Buffer.alloc(20_000));
        })(),
      );
      expect([error.code, error.details.streamCode]).toEqual(['stream-stopped', 9]);
    });

    it('cancel while a read waits', async () => {
      const { near, far } = await openPair();
      const reader = toReadableStream(far).getReader();
      const reading = reader.read();
      await reader.cancel();
      expect((await reading).done).toBe(true);
      await writeAll(near, 'nobody reads this');
      await far.finish();
      expect(await near.read()).toBeNull();
    });

    it('tell a reader what went wrong', async () => {
      const { near, far } = await openPair();
      const reader = toReadableStream(far).getReader();
      const reading = errorOf(reader.read());
      await toWritableStream(near, { resetCode: 7 }).abort('no more');
      const error = await reading;
      expect([error.code, error.details.streamCode]).toEqual(['stream-reset', 7]);
    });
  });
}
