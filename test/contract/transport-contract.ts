import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type BidiStream,
  type Connection,
  type DialOptions,
  type Endpoint,
  fileSync,
  type IncomingStream,
  type PeerVerdict,
  type ReceiveStream,
  type RejectedConnection,
  type SendStream,
  type SocketAddress,
  TransportError,
  type TransportProfile,
  type VerifyPeer,
} from '../../packages/quic/src/index.js';

export interface ContractEndpointOptions {
  readonly verifyPeer: VerifyPeer;
  readonly profile?: TransportProfile;
  /** Default: a free one. */
  readonly listen?: SocketAddress;
}

/** What an implementation brings, so that the contract can be run on it. */
export interface TransportHarness {
  createEndpoint(options: ContractEndpointOptions): Promise<Endpoint>;
  /** Where nobody listens. */
  readonly deadAddress: SocketAddress;
  /** Streams overtake each other on the way, as they do where packets are lost. */
  readonly isReordering?: boolean;
  stop(): Promise<void>;
}

const ALPN = 'contract/1';
const NOT_PAIRED = 4;

export const acceptAnyone: VerifyPeer = (chain) => ({ accepted: true, identity: { key: hash(chain[0]) } });

function refuse(closeCode: number, reason: string): VerifyPeer {
  return (): PeerVerdict => ({ accepted: false, closeCode, reason });
}

function hash(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? new Uint8Array(0))
    .digest('hex');
}

/** Everything of a stream, joined. */
async function readAll(stream: ReceiveStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) return Buffer.concat(chunks);
    chunks.push(bytes);
  }
}

async function writeAll(stream: SendStream, ...chunks: readonly (Uint8Array | string)[]): Promise<void> {
  for (const chunk of chunks) await stream.write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  await stream.finish();
}

function asBidi(stream: IncomingStream): BidiStream {
  if (stream.kind !== 'bidi') throw new Error('expected a bidirectional stream');
  return stream;
}

/** Gives back on every bidirectional stream what came in on it. */
function echoStreams(connection: Connection): void {
  connection.onStream((incoming) => {
    const stream = asBidi(incoming);
    void (async () => {
      for (;;) {
        const bytes = await stream.read();
        if (bytes === null) break;
        await stream.write(bytes);
      }
      await stream.finish();
    })().catch(() => {});
  });
}

/** The streams that a connection hands up, one by one. */
function collectStreams(connection: Connection): () => Promise<IncomingStream> {
  const ready: IncomingStream[] = [];
  const waiting: ((stream: IncomingStream) => void)[] = [];
  connection.onStream((stream) => {
    const next = waiting.shift();
    if (next === undefined) ready.push(stream);
    else next(stream);
  });
  return () => {
    const stream = ready.shift();
    return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream);
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await errorOf(promise)).code;
}

async function errorOf(promise: Promise<unknown>): Promise<TransportError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
  throw new Error('expected a TransportError');
}

/** A stream that both sides use to see that the connection is alive and that everything sent before has been handled. */
async function openPing(dialler: Connection): Promise<() => Promise<void>> {
  const stream = await dialler.openBidi({ urgency: 0 });
  return async () => {
    await stream.write(Buffer.from('p'));
    await stream.read();
  };
}

export function describeTransportContract(
  name: string,
  createHarness: () => Promise<TransportHarness>,
): void {
  describe(`transport contract: ${name}`, () => {
    let harness: TransportHarness | undefined;
    const endpoints: Endpoint[] = [];

    afterEach(async () => {
      await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close(0, 'the test is over')));
      await harness?.stop();
      harness = undefined;
    });

    async function start(): Promise<TransportHarness> {
      harness ??= await createHarness();
      return harness;
    }

    async function createEndpoint(options: Partial<ContractEndpointOptions> = {}): Promise<Endpoint> {
      const endpoint = await (await start()).createEndpoint({ verifyPeer: acceptAnyone, ...options });
      endpoint.setAcceptedProtocols([ALPN]);
      endpoints.push(endpoint);
      return endpoint;
    }

    function dial(from: Endpoint, to: Endpoint, options: Partial<DialOptions> = {}): Promise<Connection> {
      return from.connect(to.localAddress, { alpn: ALPN, verifyPeer: acceptAnyone, ...options });
    }

    /** Two connected endpoints; `accepted` is the acceptor's end. */
    async function connect(options: Partial<ContractEndpointOptions> = {}) {
      const diallerEndpoint = await createEndpoint(options);
      const acceptorEndpoint = await createEndpoint(options);
      const incoming = new Promise<Connection>((resolve) => acceptorEndpoint.onConnection(resolve));
      const dialled = await dial(diallerEndpoint, acceptorEndpoint);
      return { diallerEndpoint, acceptorEndpoint, dialled, accepted: await incoming };
    }

    describe('connections', () => {
      it('shows each side the other: role, protocol, certificate, identity, address', async () => {
        const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await connect();
        expect(dialled.role).toBe('dialler');
        expect(accepted.role).toBe('acceptor');
        expect([dialled.alpn, accepted.alpn]).toEqual([ALPN, ALPN]);
        expect(dialled.peerCertificates).toHaveLength(1);
        expect(dialled.peer.key).toBe(hash(dialled.peerCertificates[0]));
        expect(accepted.peer.key).toBe(hash(accepted.peerCertificates[0]));
        expect(dialled.peer.key).not.toBe(accepted.peer.key);
        expect(dialled.remoteAddress.port).toBe(acceptorEndpoint.localAddress.port);
        expect(accepted.remoteAddress.port).toBe(diallerEndpoint.localAddress.port);
      });

      it('carries connections both ways between the same two endpoints', async () => {
        const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await connect();
        const incoming = new Promise<Connection>((resolve) => diallerEndpoint.onConnection(resolve));
        const back = await dial(acceptorEndpoint, diallerEndpoint);
        const backAccepted = await incoming;
        echoStreams(backAccepted);
        echoStreams(accepted);
        for (const connection of [back, dialled]) {
          const stream = await connection.openBidi();
          await writeAll(stream, 'both ways');
          expect((await readAll(stream)).toString()).toBe('both ways');
        }
      });

      it('tells the other side the close code and reason', async () => {
        const { dialled, accepted } = await connect();
        await accepted.close(7, 'limit exceeded: ünïcode');
        expect(await dialled.closed).toEqual({ by: 'peer', code: 7, reason: 'limit exceeded: ünïcode' });
        expect(await accepted.closed).toEqual({ by: 'local', code: 7, reason: 'limit exceeded: ünïcode' });
      });

      it('lets the first close decide, and closes twice without harm', async () => {
        const { dialled, accepted } = await connect();
        await Promise.all([dialled.close(1, 'first'), dialled.close(2, 'second')]);
        expect(await accepted.closed).toMatchObject({ by: 'peer', code: 1, reason: 'first' });
      });

      it('sends what was written before a close', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const stream = await dialled.openUni();
        const opened = next();
        await stream.write(Buffer.from('before'));
        const reader = (await opened) as ReceiveStream;
        expect(Buffer.from((await reader.read()) ?? []).toString()).toBe('before');
        const last = reader.read();
        await stream.write(Buffer.from('goodbye'));
        await dialled.close(0, '');
        expect(Buffer.from((await last) ?? []).toString()).toBe('goodbye');
        expect(await accepted.closed).toMatchObject({ by: 'peer', code: 0 });
      });

      it('fails everything that waits when the connection ends, and everything after', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const stream = await dialled.openBidi();
        await stream.write(Buffer.from('x'));
        await next();
        const reading = errorOf(stream.read());
        await accepted.close(6, 'shutting down');
        const error = await reading;
        expect(error.code).toBe('connection-closed');
        expect(error.details.closeInfo).toMatchObject({ by: 'peer', code: 6 });
        expect(await codeOf(stream.write(Buffer.from('y')))).toBe('connection-closed');
        expect(await codeOf(dialled.openBidi())).toBe('connection-closed');
        expect(await codeOf(dialled.openUni())).toBe('connection-closed');
      });
    });

    describe('who may connect', () => {
      it('closes with the code of a verifyPeer that refuses, and the dialler learns it', async () => {
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint({ verifyPeer: refuse(NOT_PAIRED, 'not paired') });
        const rejected = new Promise<RejectedConnection>((resolve) => acceptor.onRejected(resolve));
        let handedUp = 0;
        acceptor.onConnection(() => {
          handedUp += 1;
        });
        const connection = await dial(dialler, acceptor);
        expect(await connection.closed).toEqual({ by: 'peer', code: NOT_PAIRED, reason: 'not paired' });
        expect(await rejected).toMatchObject({ closeCode: NOT_PAIRED, reason: 'not paired' });
        expect(acceptor.stats().rejected).toEqual({ [NOT_PAIRED]: 1 });
        expect(handedUp).toBe(0);
      });

      it('fails a dial whose own verifyPeer refuses', async () => {
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint();
        acceptor.onConnection(() => {});
        const error = await errorOf(dial(dialler, acceptor, { verifyPeer: refuse(NOT_PAIRED, 'stranger') }));
        expect(error.code).toBe('peer-rejected');
        expect(error.details.closeInfo).toMatchObject({ by: 'local', code: NOT_PAIRED });
      });

      it('hands up nothing of a stream before the certificate was accepted', async () => {
        const order: string[] = [];
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint({
          verifyPeer: (chain, alpn) => {
            order.push('verified');
            return acceptAnyone(chain, alpn);
          },
        });
        const answered = new Promise<void>((resolve) => {
          acceptor.onConnection((connection) => {
            order.push('connection');
            connection.onStream(async (stream) => {
              order.push('stream');
              order.push(Buffer.from((await (stream as ReceiveStream).read()) ?? []).toString());
              resolve();
            });
          });
        });
        const connection = await dial(dialler, acceptor);
        const stream = await connection.openUni();
        await stream.write(Buffer.from('early'));
        await answered;
        expect(order).toEqual(['verified', 'connection', 'stream', 'early']);
      });

      it('never hands up a stream of a refused peer', async () => {
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint({ verifyPeer: refuse(NOT_PAIRED, 'not paired') });
        acceptor.onConnection((connection) => {
          connection.onStream(() => {
            throw new Error('a stream of a refused peer');
          });
        });
        const connection = await dial(dialler, acceptor);
        const writes = (async () => {
          const stream = await connection.openUni();
          for (;;) await stream.write(Buffer.alloc(10_000));
        })();
        expect(await codeOf(writes)).toBe('connection-closed');
        expect(await connection.closed).toMatchObject({ by: 'peer', code: NOT_PAIRED });
      });

      it('gives verifyPeer the protocol, and takes only protocols on the list', async () => {
        const seen: string[] = [];
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint({
          verifyPeer: (chain, alpn) => {
            seen.push(alpn);
            return acceptAnyone(chain, alpn);
          },
        });
        const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
        acceptor.setAcceptedProtocols(['other/1', 'second/1']);
        expect(await codeOf(dial(dialler, acceptor))).toBe('handshake-failed');
        const connection = await dial(dialler, acceptor, { alpn: 'second/1' });
        expect(connection.alpn).toBe('second/1');
        expect((await incoming).alpn).toBe('second/1');
        expect(seen).toEqual(['second/1']);
      });

      it('stays silent when it accepts no protocol', async () => {
        const dialler = await createEndpoint();
        const acceptor = await createEndpoint();
        acceptor.setAcceptedProtocols([]);
        expect(await codeOf(dial(dialler, acceptor, { handshakeTimeoutMs: 200 }))).toBe('handshake-timeout');
      });
    });

    describe('dialling', () => {
      it('gives up on a dead address after the time for the handshake', async () => {
        const { deadAddress } = await start();
        const dialler = await createEndpoint();
        const options = { alpn: ALPN, verifyPeer: acceptAnyone, handshakeTimeoutMs: 150 };
        expect(await codeOf(dialler.connect(deadAddress, options))).toBe('handshake-timeout');
        expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0, attempted: 1 });
      });

      it('can be given up by a signal, before and during', async () => {
        const { deadAddress } = await start();
        const dialler = await createEndpoint();
        const abort = new AbortController();
        const options = { alpn: ALPN, verifyPeer: acceptAnyone, signal: abort.signal };
        const dialling = codeOf(dialler.connect(deadAddress, options));
        abort.abort();
        expect(await dialling).toBe('aborted');
        expect(await codeOf(dialler.connect(deadAddress, options))).toBe('aborted');
        expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0 });
      });

      it('ends with its endpoint', async () => {
        const { deadAddress } = await start();
        const dialler = await createEndpoint();
        const dialling = codeOf(dialler.connect(deadAddress, { alpn: ALPN, verifyPeer: acceptAnyone }));
        await dialler.close(0, '');
        expect(await dialling).toBe('endpoint-closed');
        expect(await codeOf(dialler.connect(deadAddress, { alpn: ALPN, verifyPeer: acceptAnyone }))).toBe(
          'endpoint-closed',
        );
      });
    });

    describe('endpoints', () => {
      it('close every connection with their code, once and again', async () => {
        const { acceptorEndpoint, dialled, accepted } = await connect();
        await Promise.all([acceptorEndpoint.close(6, 'shutting down'), acceptorEndpoint.close(0, 'again')]);
        expect(await dialled.closed).toEqual({ by: 'peer', code: 6, reason: 'shutting down' });
        expect(await accepted.closed).toMatchObject({ by: 'local', code: 6 });
        expect(acceptorEndpoint.stats().connections).toBe(0);
      });

      it('refuse to listen where somebody listens already', async () => {
        const first = await createEndpoint();
        const { createEndpoint: create } = await start();
        const again = create({ verifyPeer: acceptAnyone, listen: first.localAddress });
        expect(await codeOf(again)).toBe('listen-failed');
      });

      it('count what they do', async () => {
        const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await connect();
        echoStreams(accepted);
        const stream = await dialled.openBidi();
        await stream.write(Buffer.alloc(100_000));
        let received = 0;
        while (received < 100_000) received += (await stream.read())?.length ?? 0;
        expect(diallerEndpoint.stats()).toMatchObject({ connections: 1, halfOpen: 0, attempted: 1 });
        expect(acceptorEndpoint.stats()).toMatchObject({ connections: 1, accepted: 1, attempted: 0 });
        expect(acceptorEndpoint.stats().bytesIn).toBeGreaterThan(100_000);
        expect(diallerEndpoint.stats().bytesOut).toBeGreaterThan(100_000);
        const stats = dialled.stats();
        expect(stats.streamsOpen).toBe(1);
        expect(stats.bytesOut).toBeGreaterThan(100_000);
        expect(stats.bytesIn).toBeGreaterThan(100_000);
        await stream.finish();
        expect(await stream.read()).toBeNull();
        expect(dialled.stats()).toMatchObject({ streamsOpen: 0, streamsAborted: 0 });
      });
    });

    describe('streams', () => {
      it('carry bytes both ways and end', async () => {
        const { dialled, accepted } = await connect();
        echoStreams(accepted);
        const stream = await dialled.openBidi();
        await writeAll(stream, 'hello ', 'there');
        expect((await readAll(stream)).toString()).toBe('hello there');
        expect(await stream.read()).toBeNull();
      });

      it('can be opened by either side, in one direction or both', async () => {
        const { dialled, accepted } = await connect();
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
        const { dialled, accepted } = await connect();
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
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const stream = await dialled.openBidi();
        await stream.finish();
        const incoming = asBidi(await next());
        expect(await incoming.read()).toBeNull();
        await incoming.finish();
        expect(await stream.read()).toBeNull();
      });

      it('tell the reader the code of a reset', async () => {
        const { dialled, accepted } = await connect();
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

      it('tell the writer the code of a stop', async () => {
        const { dialled, accepted } = await connect();
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
        expect([error.code, error.details.streamCode]).toEqual(['stream-stopped', 43]);
        expect(await codeOf(incoming.read())).toBe('stream-stopped');
      });

      it('refuse to be misused', async () => {
        const { dialled, accepted } = await connect();
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
        const { dialled, accepted } = await connect();
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
        const { dialled, accepted } = await connect({ profile });
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

    describe('backpressure', () => {
      it('stops a writer whose reader does not read, and nobody else', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const ping = await openPing(dialled);
        const control = ping();
        const pong = asBidi(await next());
        void (async () => {
          for (;;) {
            const bytes = await pong.read();
            if (bytes === null) return;
            await pong.write(bytes);
          }
        })().catch(() => {});
        await control;

        const total = 24 * 1024 * 1024;
        const chunk = 64 * 1024;
        const bulk = await dialled.openUni({ urgency: 5 });
        let written = 0;
        const writing = (async () => {
          for (; written < total; written += chunk) await bulk.write(Buffer.alloc(chunk, 1));
          await bulk.finish();
        })();
        const unread = await next();
        let before = -1;
        // Until nothing moves any more: the pings show that the rest of the connection does.
        while (before !== written) {
          before = written;
          for (let i = 0; i < 20; i++) await ping();
        }
        expect(written).toBeLessThan(8 * 1024 * 1024);
        const reading = readAll(unread);
        await writing;
        expect((await reading).length).toBe(total);
      });

      it('resolves a write only when there is room', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const stream = await dialled.openUni();
        let hasRoom = false;
        const size = 20 * 1024 * 1024;
        const writing = stream.write(Buffer.alloc(size)).then(() => {
          hasRoom = true;
        });
        const incoming = await next();
        expect(hasRoom).toBe(false);
        expect(stream.bufferedBytes).toBeGreaterThan(0);
        let received = 0;
        const reading = (async () => {
          for (;;) {
            const bytes = await (incoming as ReceiveStream).read();
            if (bytes === null) return;
            received += bytes.length;
          }
        })();
        await writing;
        expect(received).toBeGreaterThan(0);
        await stream.finish();
        await reading;
        expect(received).toBe(size);
        expect(stream.bufferedBytes).toBe(0);
      });
    });

    describe('urgency', () => {
      it('lets a control frame overtake bulk that was written before it', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const control = await dialled.openUni({ urgency: 0 });
        await control.write(Buffer.from('first'));
        const incomingControl = (await next()) as ReceiveStream;
        await incomingControl.read();
        const bulk = await dialled.openUni({ urgency: 6 });
        const total = 48 * 1024 * 1024;
        const writing = writeAll(bulk, Buffer.alloc(total));
        const incomingBulk = (await next()) as ReceiveStream;
        let received = 0;
        const reading = (async () => {
          for (;;) {
            const bytes = await incomingBulk.read();
            if (bytes === null) return;
            received += bytes.length;
          }
        })();
        await control.write(Buffer.from('urgent'));
        await incomingControl.read();
        expect(received).toBeLessThan(total / 2);
        await Promise.all([reading, writing]);
        expect(received).toBe(total);
      });

      it('serves the more urgent of two streams first', async () => {
        const { dialled, accepted } = await connect();
        const next = collectStreams(accepted);
        const [slow, fast] = await Promise.all([
          dialled.openUni({ urgency: 6 }),
          dialled.openUni({ urgency: 6 }),
        ]);
        fast.setUrgency(2);
        const size = 8 * 1024 * 1024;
        const writes = Promise.all([writeAll(slow, Buffer.alloc(size)), writeAll(fast, Buffer.alloc(size))]);
        const finished: number[] = [];
        const reads = [await next(), await next()].map(async (stream) => {
          const bytes = await readAll(stream);
          finished.push(stream.id);
          return bytes.length;
        });
        expect(await Promise.all(reads)).toEqual([size, size]);
        await writes;
        if ((await start()).isReordering !== true) expect(finished).toEqual([fast.id, slow.id]);
        expect(finished.sort()).toEqual([slow.id, fast.id].sort());
      });
    });

    it('carries whatever is written, in order and unchanged', async () => {
      const { dialled, accepted } = await connect();
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
  });
}

function patternOf(size: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + salt * 17 + (i >> 8)) & 0xff;
  return bytes;
}
