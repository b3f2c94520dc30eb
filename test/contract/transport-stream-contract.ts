import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileSync, type ReceiveStream } from '../../packages/quic/src/index.js';
import {
  asBidi,
  type ContractStage,
  codeOf,
  collectStreams,
  echoStreams,
  errorOf,
  hash,
  readAll,
  writeAll,
} from './transport-contract-stage.js';

/** Streams: bytes in order, ends, credit. */
export function describeStreams(stage: ContractStage): void {
  describe('streams', () => {
    it('carry bytes both ways and end', async () => {
      const { dialled, accepted } = await stage.connect();
      echoStreams(accepted);
      const stream = await dialled.openBidi();
      await writeAll(stream, 'hello ', 'there');
      expect((await readAll(stream)).toString()).toBe('hello there');
      expect(await stream.read()).toBeNull();
    });

    it('can be opened by either side, in one direction or both', async () => {
      const { dialled, accepted } = await stage.connect();
      for (const [from, to] of [
        [dialled, accepted],
        [accepted, dialled],
      ] as const) {
        const next = collectStreams(to);
        const uni = await from.openUni();
        await writeAll(uni, 'one way');
        const incomingUni = await next();
        expect(incomingUni.kind).toBe('uni');
        expect((await readAll(incomingUni)).toString()).toBe('one way');
        const bidi = await from.openBidi();
        await writeAll(bidi, 'question');
        const incomingBidi = asBidi(await next());
        expect((await readAll(incomingBidi)).toString()).toBe('question');
        await writeAll(incomingBidi, 'answer');
        expect((await readAll(bidi)).toString()).toBe('answer');
      }
    });

    it('keep what arrives before anybody asked for streams', async () => {
      const { dialled, accepted } = await stage.connect();
      const ping = async (): Promise<void> => {
        const stream = await accepted.openBidi();
        await writeAll(stream, 'sync');
        await readAll(stream);
      };
      echoStreams(dialled);
      const first = await dialled.openUni();
      await writeAll(first, 'kept');
      await ping();
      const next = collectStreams(accepted);
      expect((await readAll(await next())).toString()).toBe('kept');
    });

    it('end without a byte', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openBidi();
      await stream.finish();
      const incoming = asBidi(await next());
      expect(await incoming.read()).toBeNull();
      await incoming.finish();
      expect(await stream.read()).toBeNull();
    });

    it('tell the reader the code of a reset', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openBidi();
      await stream.write(Buffer.from('x'));
      const incoming = await next();
      await incoming.read();
      const reading = errorOf((incoming as ReceiveStream).read());
      stream.reset(42);
      const error = await reading;
      expect([error.code, error.details.streamCode]).toEqual(['stream-reset', 42]);
      expect(await codeOf(stream.write(Buffer.from('y')))).toBe('stream-reset');
      expect(dialled.stats().streamsAborted).toBe(1);
      expect(accepted.stats().streamsAborted).toBe(1);
    });

    it('tell the writer that it was stopped, and with which code where that is still known', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openUni();
      const writing = errorOf(
        (async () => {
          for (;;) await stream.write(Buffer.alloc(20_000));
        })(),
      );
      const incoming = (await next()) as ReceiveStream;
      await incoming.read();
      incoming.stop(43);
      const error = await writing;
      expect(error.code).toBe('stream-stopped');
      // quiche forgets the code when all that was sent is acknowledged in the same moment.
      expect([43, undefined]).toContain(error.details.streamCode);
      expect(await codeOf(incoming.read())).toBe('stream-stopped');
    });

    it('refuse to be misused', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openBidi();
      const reading = stream.read();
      expect(await codeOf(stream.read())).toBe('stream-misused');
      await writeAll(stream, 'x');
      expect(await codeOf(stream.write(Buffer.from('y')))).toBe('stream-misused');
      const incoming = asBidi(await next());
      await writeAll(incoming, 'z');
      expect(Buffer.from((await reading) ?? []).toString()).toBe('z');
    });

    it('run by the thousand at once', async () => {
      const { dialled, accepted } = await stage.connect();
      echoStreams(accepted);
      const answers = await Promise.all(
        Array.from({ length: 1_000 }, async (_, i) => {
          const stream = await dialled.openBidi();
          await writeAll(stream, `stream ${i} `, Buffer.alloc(i, 97));
          return readAll(stream);
        }),
      );
      for (const [i, answer] of answers.entries()) {
        expect(answer.length).toBe(`stream ${i} `.length + i);
        expect(answer.toString().startsWith(`stream ${i} `)).toBe(true);
      }
      expect(dialled.stats().streamsOpen).toBe(0);
    });

    it('wait for credit, in order, and can give up waiting', async () => {
      const profile = { ...fileSync, maxBidiStreams: 2 };
      const { dialled, accepted } = await stage.connect({ profile });
      const next = collectStreams(accepted);
      const first = await dialled.openBidi();
      const second = await dialled.openBidi();
      const abort = new AbortController();
      const givenUp = codeOf(dialled.openBidi({ signal: abort.signal }));
      let isOpen = false;
      const third = dialled.openBidi().then((stream) => {
        isOpen = true;
        return stream;
      });
      abort.abort();
      expect(await givenUp).toBe('aborted');
      await writeAll(first, '1');
      const incoming = asBidi(await next());
      await readAll(incoming);
      await second.write(Buffer.from('2'));
      const incomingSecond = await next();
      expect(isOpen).toBe(false);
      await writeAll(incoming, 'done');
      await readAll(first);
      await writeAll(await third, '3');
      await second.finish();
      const rest = [incomingSecond, await next()];
      const texts = await Promise.all(rest.map(async (stream) => (await readAll(stream)).toString()));
      expect(texts.sort()).toEqual(['2', '3']);
    });
  });

  it('carries whatever is written, in order and unchanged', async () => {
    const { dialled, accepted } = await stage.connect();
    echoStreams(accepted);
    const sizes = fc.array(fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(300_000)), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(sizes, { minLength: 1, maxLength: 4 }),
        fc.nat(255),
        async (streams, salt) => {
          await Promise.all(
            streams.map(async (chunkSizes, at) => {
              const chunks = chunkSizes.map((size, i) => patternOf(size, salt + 7 * at + i));
              const expected = hash(Buffer.concat(chunks));
              const stream = await dialled.openBidi();
              const [, received] = await Promise.all([writeAll(stream, ...chunks), readAll(stream)]);
              expect(hash(received)).toBe(expected);
            }),
          );
        },
      ),
      { numRuns: 25 },
    );
  });
}

function patternOf(size: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + salt * 17 + (i >> 8)) & 0xff;
  return bytes;
}
