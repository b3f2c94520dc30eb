import type { IncomingStream } from '@landropic/quic';
import { expect, test } from 'vitest';
import { StreamKind } from '../core/wire/frame-types.js';
import { identifyStream } from './incoming-streams.js';
import { MemoryDevices } from './memory-devices.fixture.js';

/** A stream that hands up these pieces, and then nothing: neither bytes nor an end. */
function streamOf(kind: 'uni' | 'bidi', ...pieces: (readonly number[] | null)[]): IncomingStream {
  const left = [...pieces];
  const read = () => {
    const piece = left.shift();
    return piece === undefined
      ? new Promise<never>(() => {})
      : Promise.resolve(piece && Uint8Array.from(piece));
  };
  return { kind, read } as unknown as IncomingStream;
}

test.each([
  ['uni', StreamKind.control, 'control'],
  ['uni', StreamKind.indexShard, 'index'],
  ['uni', StreamKind.hotFolder, 'index'],
  ['uni', StreamKind.receipts, 'receipts'],
  ['bidi', StreamKind.chunks, 'chunks'],
  ['bidi', StreamKind.pairing, 'pairing'],
] as const)('%s %i is %s; what came with the kind is handed on', async (direction, streamKind, kind) => {
  const { clock } = new MemoryDevices();
  const identified = await identifyStream(streamOf(direction, [], [streamKind, 7, 8]), clock);
  expect(identified).toMatchObject({ kind, streamKind, rest: Uint8Array.of(7, 8) });
});

test.each([
  ['uni', StreamKind.chunks],
  ['bidi', StreamKind.control],
  ['uni', 0x7e],
  ['bidi', StreamKind.requestResponse],
] as const)('%s %i does not belong there', async (direction, streamKind) => {
  const { clock } = new MemoryDevices();
  await expect(identifyStream(streamOf(direction, [streamKind]), clock)).rejects.toMatchObject({
    code: 'malformed',
  });
});

test('a stream has one second to say its kind, however it passes it', async () => {
  const devices = new MemoryDevices();
  const late = identifyStream(streamOf('uni', [], []), devices.clock);
  const outcome = expect(late).rejects.toMatchObject({
    code: 'malformed',
    message: expect.stringContaining('1 s'),
  });
  let isOver = false;
  void late.catch(() => {}).then(() => (isOver = true));
  await devices.advance(999);
  expect(isOver).toBe(false);
  await devices.advance(1);
  await outcome;
});

test('a stream that ends without a kind is a violation', async () => {
  const { clock } = new MemoryDevices();
  await expect(identifyStream(streamOf('bidi', null), clock)).rejects.toMatchObject({ code: 'malformed' });
});
