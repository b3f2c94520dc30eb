import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { SessionCache } from '../../session-cache.js';
import { createSelfSignedCredentials } from '../../testing/index.js';
import type { Connection, DialOptions, Endpoint, PeerVerdict, ReceiveStream } from '../../transport.js';
import { ALPN, dial, EndpointSet } from '../endpoint.fixture.js';
import type { QuicEndpointOptions } from '../options.js';
import { startUdpRelay, type UdpRelay } from '../udp-relay.fixture.js';

const endpoints = new EndpointSet();
let relay: UdpRelay | undefined;
let stranger: Socket | undefined;

afterEach(async () => {
  await endpoints.closeAll();
  relay?.stop();
  stranger?.close();
  relay = undefined;
  stranger = undefined;
});

const HELLO = Buffer.from('hello');
const SERVER = 'the acceptor';

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Who connects is known by the certificate; `paired` says who may. Answers every uni stream's beginning on a new stream. */
class Server {
  readonly accepted: Connection[] = [];
  readonly hellos: string[] = [];
  readonly verified: string[] = [];
  isPaired: (key: string) => boolean = () => true;
  private constructor() {}

  static async start(options: Partial<QuicEndpointOptions> = {}): Promise<[Server, Endpoint]> {
    const server = new Server();
    const endpoint = await endpoints.create({
      resumption: { protocols: [ALPN] },
      verifyPeer: (chain) => server.#judge(chain[0]),
      ...options,
    });
    endpoint.onConnection((connection) => server.#serve(connection));
    return [server, endpoint];
  }

  #judge(certificate: Uint8Array | undefined): PeerVerdict {
    const key = Buffer.from(certificate ?? []).toString('base64');
    this.verified.push(key);
    if (!this.isPaired(key)) return { accepted: false, closeCode: 4, reason: 'not paired' };
    return { accepted: true, identity: { key } };
  }

  #serve(connection: Connection): void {
    this.accepted.push(connection);
    connection.onStream((stream) => {
      void (async () => {
        const bytes = await (stream as ReceiveStream).read();
        this.hellos.push(Buffer.from(bytes ?? []).toString());
        const answer = await connection.openUni();
        await answer.write(Buffer.from('seen'));
      })().catch(() => {});
    });
  }
}

function nextAnswer(connection: Connection): Promise<string> {
  return new Promise((resolve, reject) => {
    connection.onStream((stream) => {
      stream.read().then((bytes) => resolve(Buffer.from(bytes ?? []).toString()), reject);
    });
  });
}

/** A dialler's sessions with the acceptor, and a way to dial with them. */
class Client {
  readonly sessions = new SessionCache();
  private constructor(readonly endpoint: Endpoint) {}

  static async start(): Promise<Client> {
    return new Client(await endpoints.create());
  }

  dial(to: Endpoint | UdpRelay, options: Partial<DialOptions> = {}): Promise<Connection> {
    const address = 'localAddress' in to ? to.localAddress : to.address;
    return dial(this.endpoint, address, {
      verifyPeer: () => ({ accepted: true, identity: { key: SERVER } }),
      resumption: { sessions: this.sessions, peerKey: SERVER },
      earlyData: HELLO,
      ...options,
    });
  }

  /** Connects, says hello, waits for the answer and for the ticket. */
  async visit(to: Endpoint | UdpRelay, options: Partial<DialOptions> = {}): Promise<Connection> {
    const connection = await this.dial(to, options);
    expect(await nextAnswer(connection)).toBe('seen');
    return connection;
  }

  async collectSession(to: Endpoint | UdpRelay): Promise<void> {
    const connection = await this.visit(to);
    await until(() => this.sessions.size > 0);
    await connection.close(0, '');
  }
}

describe('resumption', () => {
  it('brings a known peer back without a new proof, and its Hello with the first packets', async () => {
    const [server, acceptor] = await Server.start();
    const client = await Client.start();
    const first = await client.visit(acceptor);
    expect(first.isResumed).toBe(false);
    await until(() => client.sessions.size > 0);
    await first.close(0, '');

    const second = await client.visit(acceptor);
    expect([second.isResumed, server.accepted[1]?.isResumed]).toEqual([true, true]);
    // Identity is checked as without a session, and the certificate is there.
    expect(server.verified).toEqual([server.verified[0], server.verified[0]]);
    expect(server.accepted[1]?.peerCertificates).toEqual(server.accepted[0]?.peerCertificates);
    expect(second.peerCertificates).toEqual(first.peerCertificates);
    expect(server.hellos).toEqual(['hello', 'hello']);
    // A session is used once, and each connection brings a new one.
    await until(() => client.sessions.size > 0);
    const more = (await second.earlyStream)?.write(Buffer.from(' again'));
    await expect(more).resolves.toBeUndefined();
  });

  it('sends the Hello in the first flight, before anything came back', async () => {
    const [server, acceptor] = await Server.start();
    const client = await Client.start();
    await client.collectSession(acceptor);
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    const kinds: number[] = [];
    way.setFilter((direction, datagram) => {
      if (direction === 'to-acceptor') kinds.push((datagram[0] ?? 0) & 0xf0);
      return false;
    });
    const abort = new AbortController();
    const dialling = client.dial(way, { signal: abort.signal });
    await until(() => kinds.length >= 2);
    // Long headers: Initial, 0-RTT.
    expect(kinds.slice(0, 2)).toEqual([0xc0, 0xd0]);
    abort.abort();
    await expect(dialling).rejects.toMatchObject({ code: 'aborted' });
    expect(server.hellos).toEqual(['hello']);
  });

  it('hands nothing up before the handshake is complete', async () => {
    const [server, acceptor] = await Server.start({ admission: { handshakeTimeoutMs: 400 } });
    const client = await Client.start();
    await client.collectSession(acceptor);
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    let early = 0;
    let hasAnswered = false;
    // Whatever the dialler says after the first answer is lost: its Finished never arrives.
    way.setFilter((direction, datagram) => {
      if (direction === 'to-dialler') hasAnswered = true;
      else if (((datagram[0] ?? 0) & 0xf0) === 0xd0) early += 1;
      return direction === 'to-dialler' || !hasAnswered;
    });
    const accepted = acceptor.stats().accepted;
    const dialled = await client.dial(way);
    await until(() => early > 0 && acceptor.stats().halfOpen === 1);
    await until(() => acceptor.stats().halfOpen === 0);
    expect(acceptor.stats().accepted).toBe(accepted);
    expect(server.hellos).toEqual(['hello']);
    expect(server.verified).toHaveLength(1);
    expect(acceptor.stats().rejected).toEqual({ 'handshake-timeout': 1 });
    void dialled.close(0, '');
  });

  it('gives nothing to whoever replays captured early packets', async () => {
    const [server, acceptor] = await Server.start({ admission: { handshakeTimeoutMs: 150 } });
    const client = await Client.start();
    await client.collectSession(acceptor);
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    const captured: Buffer[] = [];
    way.setFilter((direction, datagram) => {
      if (direction === 'to-acceptor') captured.push(Buffer.from(datagram));
      return true;
    });
    const genuine = await client.visit(way);
    expect(genuine.isResumed).toBe(true);
    const before = acceptor.stats();
    await genuine.close(0, '');
    await until(() => acceptor.stats().connections === 0);

    const socket = createSocket('udp4');
    stranger = socket;
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    for (let round = 0; round < 3; round++) {
      // At first they meet the end of the connection that they were taken from.
      while (acceptor.stats().halfOpen === 0) {
        for (const datagram of captured) socket.send(datagram, acceptor.localAddress.port, '127.0.0.1');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await until(() => acceptor.stats().connections === 0);
    }
    expect(acceptor.stats().accepted).toBe(before.accepted);
    expect(server.hellos).toEqual(['hello', 'hello']);
    expect(server.verified).toHaveLength(2);
  });

  it('takes whoever holds a stolen session for its owner, and refuses both once the owner is not paired any more', async () => {
    const [server, acceptor] = await Server.start();
    const client = await Client.start();
    await client.collectSession(acceptor);
    const session = client.sessions.take(SERVER, ALPN);
    if (session === undefined) throw new Error('there is a session');
    const thief = await Client.start();
    thief.sessions.put(SERVER, ALPN, session);
    server.isPaired = () => false;
    const connection = await thief.dial(acceptor);
    expect(await connection.closed).toMatchObject({ by: 'peer', code: 4 });
    expect(server.verified[1]).toBe(server.verified[0]);
    expect(server.hellos).toEqual(['hello']);
    expect(acceptor.stats().refusedByCode).toEqual({ 4: 1 });
  });

  it('knows a thief by its own certificate once sessions were forgotten', async () => {
    const [server, acceptor] = await Server.start();
    const client = await Client.start();
    await client.collectSession(acceptor);
    const session = client.sessions.take(SERVER, ALPN);
    if (session === undefined) throw new Error('there is a session');
    const thief = await Client.start();
    thief.sessions.put(SERVER, ALPN, session);
    acceptor.forgetSessions();
    server.isPaired = (key) => key === server.verified[0];
    const connection = await thief.dial(acceptor);
    expect(connection.isResumed).toBe(false);
    expect(await connection.closed).toMatchObject({ by: 'peer', code: 4 });
    expect(server.verified[1]).not.toBe(server.verified[0]);
    expect(server.hellos).toEqual(['hello']);
  });

  it('delivers the Hello also where the acceptor forgot the session, or never resumes', async () => {
    const credentials = createSelfSignedCredentials();
    const [server, acceptor] = await Server.start({ credentials });
    const client = await Client.start();
    await client.collectSession(acceptor);
    acceptor.forgetSessions();
    const again = await client.visit(acceptor);
    expect(again.isResumed).toBe(false);
    expect(server.hellos).toEqual(['hello', 'hello']);

    const [never, plain] = await Server.start();
    const [, closed] = await Server.start({ resumption: { protocols: [] } });
    void never;
    for (const endpoint of [plain, closed]) await client.visit(endpoint);
  });

  it('never resumes where nobody allowed it', async () => {
    const credentials = createSelfSignedCredentials();
    const acceptor = await endpoints.create({ credentials });
    const incoming: Connection[] = [];
    acceptor.onConnection((connection) => incoming.push(connection));
    const client = await Client.start();
    for (let i = 0; i < 3; i++) {
      const connection = await client.dial(acceptor);
      expect(connection.isResumed).toBe(false);
      await until(() => client.sessions.size > 0);
      await connection.close(0, '');
    }
    expect(incoming.map((connection) => connection.isResumed)).toEqual([false, false, false]);
  });

  it('refuses a session under a protocol that does not resume', async () => {
    const [server, acceptor] = await Server.start({ resumption: { protocols: ['other/1'] } });
    const client = await Client.start();
    await client.collectSession(acceptor);
    const connection = await client.dial(acceptor);
    expect(await connection.closed).toMatchObject({ by: 'transport', code: 0xa });
    expect(server.hellos).toEqual(['hello']);
    expect(acceptor.stats().rejected).toEqual({ 'early-data-refused': 1 });
  });

  it('takes a session that is none for no session', async () => {
    const [, acceptor] = await Server.start();
    const client = await Client.start();
    client.sessions.put(SERVER, ALPN, Buffer.from('no session'));
    const connection = await client.visit(acceptor);
    expect(connection.isResumed).toBe(false);
  });

  it('is defeated by a Retry, which costs a round trip and nothing else', async () => {
    const [server, acceptor] = await Server.start({ admission: { retryAboveHalfOpen: 0 } });
    const client = await Client.start();
    await client.collectSession(acceptor);
    await client.visit(acceptor);
    expect(server.hellos).toEqual(['hello', 'hello']);
    expect(acceptor.stats().retriesSent).toBe(2);
  });
});

describe('a cache of sessions', () => {
  it('gives each out once, to its peer and protocol', () => {
    const cache = new SessionCache();
    cache.put('a', 'x/1', Uint8Array.of(1));
    expect(cache.take('b', 'x/1')).toBeUndefined();
    expect(cache.take('a', 'y/1')).toBeUndefined();
    expect(cache.take('a', 'x/1')).toEqual(Uint8Array.of(1));
    expect(cache.take('a', 'x/1')).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it('forgets a peer, and the one that was stored longest ago when there are too many', () => {
    const cache = new SessionCache(2);
    cache.put('a', 'x/1', Uint8Array.of(1));
    cache.put('b', 'x/1', Uint8Array.of(2));
    cache.put('a', 'x/1', Uint8Array.of(3));
    cache.put('c', 'x/1', Uint8Array.of(4));
    expect(cache.take('b', 'x/1')).toBeUndefined();
    cache.forget('a');
    expect(cache.take('a', 'x/1')).toBeUndefined();
    expect(cache.size).toBe(1);
    cache.clear();
    expect(cache.size).toBe(0);
  });
});
