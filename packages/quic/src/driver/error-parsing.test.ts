import { describe, expect, it } from 'vitest';
import { parseQuicheError } from './error-parsing.js';
import { quiche } from './quiche-binding.js';
import { createRawPair } from './raw-pair.fixture.js';

/** What the pinned binding really throws, through the one function that reads it. */
function failureOf(run: () => unknown): ReturnType<typeof parseQuicheError> {
  try {
    run();
  } catch (error) {
    return parseQuicheError(error);
  }
  throw new Error('expected the binding to throw');
}

describe('parseQuicheError, on the errors of the pinned binding', () => {
  it('knows a reset and its code', () => {
    const { client, server, exchange } = createRawPair();
    exchange();
    client.streamSend(0, Buffer.from('x'), false);
    exchange();
    server.streamRecv(0, Buffer.alloc(10));
    client.streamShutdown(0, quiche.Shutdown.Write, 42);
    exchange();
    expect(failureOf(() => server.streamRecv(0, Buffer.alloc(10)))).toEqual({
      kind: 'stream-reset',
      streamCode: 42,
    });
  });

  it('knows a stop and its code, from sending and from asking for capacity', () => {
    const { client, server, exchange } = createRawPair();
    exchange();
    client.streamSend(0, Buffer.from('x'), false);
    exchange();
    server.streamShutdown(0, quiche.Shutdown.Read, 43);
    exchange();
    const stopped = { kind: 'stream-stopped', streamCode: 43 };
    expect(failureOf(() => client.streamCapacity(0))).toEqual(stopped);
    expect(failureOf(() => client.streamSend(0, Buffer.from('y'), false))).toEqual(stopped);
  });

  it('knows a stream that is not there', () => {
    const { client, exchange } = createRawPair();
    exchange();
    expect(failureOf(() => client.streamRecv(4, Buffer.alloc(10)))).toEqual({ kind: 'stream-gone' });
    expect(failureOf(() => client.streamCapacity(4))).toEqual({ kind: 'stream-gone' });
  });

  it('knows the limit of streams', () => {
    const { client, exchange } = createRawPair({ profile: { maxBidiStreams: 1 } });
    exchange();
    client.streamSend(0, Buffer.from('x'), false);
    expect(failureOf(() => client.streamSend(4, Buffer.from('x'), false))).toEqual({ kind: 'stream-limit' });
  });

  it('knows a failed handshake', () => {
    const { client, server } = createRawPair({ serverProtocols: ['other/1'] });
    const buffer = Buffer.alloc(1_350);
    const sent = client.send(buffer);
    if (sent === null) throw new Error('a client begins');
    const info = { from: { host: '127.0.0.1', port: 2 }, to: { host: '127.0.0.1', port: 1 } };
    expect(failureOf(() => server.recv(buffer.subarray(0, sent[0]), info))).toEqual({ kind: 'tls' });
  });

  it('takes anything else as text', () => {
    expect(parseQuicheError(new Error('Done'))).toEqual({ kind: 'done' });
    expect(parseQuicheError(new Error('FlowControl'))).toEqual({ kind: 'other', text: 'FlowControl' });
    expect(parseQuicheError('StreamReset(1)x')).toEqual({ kind: 'other', text: 'StreamReset(1)x' });
  });
});
