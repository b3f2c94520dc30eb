import { describe, expect, it } from 'vitest';
import type { Connection, ReceiveStream, RejectedConnection } from '../../packages/quic/src/index.js';
import {
  ALPN,
  acceptAnyone,
  type ContractStage,
  codeOf,
  collectStreams,
  echoStreams,
  errorOf,
  hash,
  NOT_PAIRED,
  readAll,
  refuse,
  writeAll,
} from './transport-contract-stage.js';

/** Connections: how they begin, who may begin them, how they end. */
export function describeConnections(stage: ContractStage): void {
  describe('connections', () => {
    it('shows each side the other: role, protocol, certificate, identity, address', async () => {
      const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await stage.connect();
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
      const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await stage.connect();
      const incoming = new Promise<Connection>((resolve) => diallerEndpoint.onConnection(resolve));
      const back = await stage.dial(acceptorEndpoint, diallerEndpoint);
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
      const { dialled, accepted } = await stage.connect();
      await accepted.close(7, 'limit exceeded: ünïcode');
      expect(await dialled.closed).toEqual({ by: 'peer', code: 7, reason: 'limit exceeded: ünïcode' });
      expect(await accepted.closed).toEqual({ by: 'local', code: 7, reason: 'limit exceeded: ünïcode' });
    });

    it('lets the first close decide, and closes twice without harm', async () => {
      const { dialled, accepted } = await stage.connect();
      await Promise.all([dialled.close(1, 'first'), dialled.close(2, 'second')]);
      expect(await accepted.closed).toMatchObject({ by: 'peer', code: 1, reason: 'first' });
    });

    it('sends what was written before a close', async () => {
      const { dialled, accepted } = await stage.connect();
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
      const { dialled, accepted } = await stage.connect();
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
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint({ verifyPeer: refuse(NOT_PAIRED, 'not paired') });
      const rejected = new Promise<RejectedConnection>((resolve) => acceptor.onRejected(resolve));
      let handedUp = 0;
      acceptor.onConnection(() => {
        handedUp += 1;
      });
      const connection = await stage.dial(dialler, acceptor);
      expect(await connection.closed).toEqual({ by: 'peer', code: NOT_PAIRED, reason: 'not paired' });
      expect(await rejected).toMatchObject({ closeCode: NOT_PAIRED, reason: 'not paired' });
      expect(acceptor.stats()).toMatchObject({ incoming: 1, accepted: 0, closed: 0 });
      expect(acceptor.stats().rejected).toEqual({ 'peer-refused': 1 });
      expect(acceptor.stats().refusedByCode).toEqual({ [NOT_PAIRED]: 1 });
      expect(handedUp).toBe(0);
    });

    it('fails a dial whose own verifyPeer refuses', async () => {
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint();
      acceptor.onConnection(() => {});
      const error = await errorOf(
        stage.dial(dialler, acceptor, { verifyPeer: refuse(NOT_PAIRED, 'stranger') }),
      );
      expect(error.code).toBe('peer-rejected');
      expect(error.details.closeInfo).toMatchObject({ by: 'local', code: NOT_PAIRED });
    });

    it('hands up nothing of a stream before the certificate was accepted', async () => {
      const order: string[] = [];
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint({
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
      const connection = await stage.dial(dialler, acceptor);
      const stream = await connection.openUni();
      await stream.write(Buffer.from('early'));
      await answered;
      expect(order).toEqual(['verified', 'connection', 'stream', 'early']);
    });

    it('never hands up a stream of a refused peer', async () => {
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint({ verifyPeer: refuse(NOT_PAIRED, 'not paired') });
      acceptor.onConnection((connection) => {
        connection.onStream(() => {
          throw new Error('a stream of a refused peer');
        });
      });
      const connection = await stage.dial(dialler, acceptor);
      const writes = (async () => {
        const stream = await connection.openUni();
        for (;;) await stream.write(Buffer.alloc(10_000));
      })();
      expect(await codeOf(writes)).toBe('connection-closed');
      expect(await connection.closed).toMatchObject({ by: 'peer', code: NOT_PAIRED });
    });

    it('gives verifyPeer the protocol, and takes only protocols on the list', async () => {
      const seen: string[] = [];
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint({
        verifyPeer: (chain, alpn) => {
          seen.push(alpn);
          return acceptAnyone(chain, alpn);
        },
      });
      const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
      acceptor.setAcceptedProtocols(['other/1', 'second/1']);
      expect(await codeOf(stage.dial(dialler, acceptor))).toBe('handshake-failed');
      const connection = await stage.dial(dialler, acceptor, { alpn: 'second/1' });
      expect(connection.alpn).toBe('second/1');
      expect((await incoming).alpn).toBe('second/1');
      expect(seen).toEqual(['second/1']);
    });

    it('stays silent when it accepts no protocol', async () => {
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint();
      acceptor.setAcceptedProtocols([]);
      expect(await codeOf(stage.dial(dialler, acceptor, { handshakeTimeoutMs: 200 }))).toBe(
        'handshake-timeout',
      );
    });
  });

  describe('dialling', () => {
    it('gives up on a dead address after the time for the handshake', async () => {
      const { deadAddress } = await stage.start();
      const dialler = await stage.createEndpoint();
      const options = { alpn: ALPN, verifyPeer: acceptAnyone, handshakeTimeoutMs: 150 };
      expect(await codeOf(dialler.connect(deadAddress, options))).toBe('handshake-timeout');
      expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0, attempted: 1 });
    });

    it('can be given up by a signal, before and during', async () => {
      const { deadAddress } = await stage.start();
      const dialler = await stage.createEndpoint();
      const abort = new AbortController();
      const options = { alpn: ALPN, verifyPeer: acceptAnyone, signal: abort.signal };
      const dialling = codeOf(dialler.connect(deadAddress, options));
      abort.abort();
      expect(await dialling).toBe('aborted');
      expect(await codeOf(dialler.connect(deadAddress, options))).toBe('aborted');
      expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0 });
    });

    it('ends with its endpoint', async () => {
      const { deadAddress } = await stage.start();
      const dialler = await stage.createEndpoint();
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
      const { acceptorEndpoint, dialled, accepted } = await stage.connect();
      await Promise.all([acceptorEndpoint.close(6, 'shutting down'), acceptorEndpoint.close(0, 'again')]);
      expect(await dialled.closed).toEqual({ by: 'peer', code: 6, reason: 'shutting down' });
      expect(await accepted.closed).toMatchObject({ by: 'local', code: 6 });
      expect(acceptorEndpoint.stats().connections).toBe(0);
    });

    it('refuse to listen where somebody listens already', async () => {
      const first = await stage.createEndpoint();
      const { createEndpoint: create } = await stage.start();
      const again = create({ verifyPeer: acceptAnyone, listen: first.localAddress });
      expect(await codeOf(again)).toBe('listen-failed');
    });

    it('count what they do', async () => {
      const { diallerEndpoint, acceptorEndpoint, dialled, accepted } = await stage.connect();
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
}
