import { describe, expect, it } from 'vitest';
import { quiche } from './quiche-binding.js';
import { createRawPair } from './raw-pair.fixture.js';

/** What the driver works around. When one of these fails after an upgrade, the work-around may go. */
describe('the pinned binding', () => {
  it('never gives back the credit of a stream that was reset', () => {
    const { client, server, exchange } = createRawPair({ profile: { maxBidiStreams: 8 } });
    exchange();
    for (let id = 0; id < 32; id += 4) {
      client.streamSend(id, Buffer.from('x'), false);
      exchange();
      client.streamShutdown(id, quiche.Shutdown.Write, 1);
      exchange();
      expect(() => server.streamRecv(id, Buffer.alloc(10))).toThrow(/StreamReset/);
      server.streamSend(id, Buffer.alloc(0), true);
      exchange();
    }
    expect(client.peerStreamsLeftBidi()).toBe(0);
  });

  it('gives back the credit of streams that end', () => {
    const { client, server, exchange } = createRawPair({ profile: { maxBidiStreams: 8 } });
    exchange();
    for (let id = 0; id < 32; id += 4) {
      client.streamSend(id, Buffer.from('x'), true);
      exchange();
      server.streamRecv(id, Buffer.alloc(10));
      server.streamSend(id, Buffer.alloc(0), true);
      exchange();
      client.streamRecv(id, Buffer.alloc(10));
      exchange();
    }
    expect(client.peerStreamsLeftBidi()).toBeGreaterThan(0);
  });

  it('loses the window that unread bytes of a stopped stream took', () => {
    const window = 256 * 1024;
    const { client, server, exchange } = createRawPair({
      profile: { initialConnectionWindowBytes: window, maxConnectionWindowBytes: window },
    });
    exchange();
    let stops = 0;
    for (let id = 0; stops < 100; id += 4, stops++) {
      const taken = client.streamSend(id, Buffer.alloc(100_000), false);
      if (taken === null) break;
      exchange();
      server.streamShutdown(id, quiche.Shutdown.Read, 1);
      exchange();
    }
    // Established, idle, without an error, and never again a byte.
    expect(stops).toBeLessThan(10);
    expect(client.isEstablished() && !client.isClosed()).toBe(true);
    expect(client.streamSend(400, Buffer.from('x'), false)).toBeNull();
  });

  it('grants more window only when less than half of its own small one is left', () => {
    const initial = 128 * 1024;
    const { client, server, exchange } = createRawPair({ profile: { initialStreamWindowBytes: initial } });
    exchange();
    const send = (size: number): void => {
      let left = size;
      while (left > 0) {
        left -= client.streamSend(0, Buffer.alloc(left), false) ?? 0;
        exchange();
        while (server.streamRecv(0, Buffer.alloc(65_536)) !== null);
        exchange();
      }
    };
    // The sender leaves 64 KiB of the window unused, and the receiver has read everything: no update comes.
    send(initial - 64 * 1024);
    expect(client.streamCapacity(0)).toBeLessThanOrEqual(64 * 1024);
    // Below 16 KiB it does: hence the size of the driver's reserve.
    send(50 * 1024);
    expect(client.streamCapacity(0)).toBeGreaterThan(14 * 1024);
  });

  it('makes packets no larger than the buffer it is given', () => {
    const { client, exchange } = createRawPair();
    exchange();
    client.streamSend(0, Buffer.alloc(5_000), false);
    const first = client.send(Buffer.alloc(1_200));
    expect(first?.[0]).toBeLessThanOrEqual(1_200);
  });

  it('sends its close once only', () => {
    const { client, server, exchange } = createRawPair();
    exchange();
    server.close(true, 4, Buffer.from('not paired'));
    const buffer = Buffer.alloc(1_350);
    expect(server.send(buffer)).not.toBeNull();
    client.streamSend(0, Buffer.from('still talking'), false);
    const packet = client.send(buffer);
    if (packet === null) throw new Error('the client has something to say');
    server.recv(buffer.subarray(0, packet[0]), {
      from: { host: '127.0.0.1', port: 2 },
      to: { host: '127.0.0.1', port: 1 },
    });
    expect(server.send(buffer)).toBeNull();
  });

  it('lets the dialler prefer a protocol', () => {
    const { client, server, exchange } = createRawPair({
      clientProtocols: ['b/1', 'a/1'],
      serverProtocols: ['a/1', 'b/1'],
    });
    exchange();
    for (const side of [client, server]) {
      expect(Buffer.from(side.applicationProto()).toString()).toBe('b/1');
    }
  });

  it('throws on addresses with a zone', () => {
    const { client, server } = createRawPair();
    const packet = Buffer.alloc(1_350);
    client.send(packet);
    const info = { from: { host: 'fe80::1%lo', port: 2 }, to: { host: '127.0.0.1', port: 1 } };
    expect(() => server.recv(packet, info)).toThrow();
  });

  it('shows the certificate chain of both sides', () => {
    const { client, server, exchange } = createRawPair();
    exchange();
    expect(client.peerCertChain()).toHaveLength(1);
    expect(server.peerCertChain()).toHaveLength(1);
  });
});
