import { setMaxListeners } from 'node:events';
import { createMemoryNetwork, type MemoryNetworkOptions } from '../memory/memory-network.js';
import type { BidiStream, Connection, Endpoint, VerifyPeer } from '../transport.js';
import { fileSync, type TransportProfile } from '../transport-profile.js';
import { ConnectionPool } from './connection-pool.js';
import type { ConnectionPoolDependencies, ConnectionPoolOptions } from './pool-options.js';
import { requestOverPool } from './pool-request.js';
import type { PooledRole } from './pool-state.js';

const ALPN = 'pool/1';
const acceptAnyone: VerifyPeer = () => ({ accepted: true, identity: { key: 'peer' } });
const [PING, BULK] = [1, 2];

export interface PoolWorldOptions {
  readonly network?: MemoryNetworkOptions;
  /** What one connection may have under way. Default 64 KiB. */
  readonly windowBytes?: number;
  readonly pool?: ConnectionPoolOptions;
  readonly dependencies?: Partial<ConnectionPoolDependencies>;
}

/** A pool that dials a peer on a network in memory; the peer answers pings and takes what it is sent. */
export class PoolWorld {
  readonly network;
  readonly clock;
  readonly own: Endpoint;
  readonly peer: Endpoint;
  readonly pool: ConnectionPool;
  /** Both ends of everything that was dialled, in order. */
  readonly dialled: {
    readonly atMs: number;
    readonly role: PooledRole;
    connection: Connection | undefined;
  }[] = [];
  readonly accepted: Connection[] = [];
  /** The most that were up at once, and the least since there was a first. */
  readonly upCounts: number[] = [];
  /** Whether dials come to anything. */
  dials: 'answered' | 'refused' | 'never' = 'answered';
  loopUtilisation = 0.1;
  /** Connections whose peer answers no ping and no request. */
  readonly hanging = new Set<string>();
  bytesTaken = 0;
  requestsDone = 0;
  private readonly stopBulk = new AbortController();

  constructor(options: PoolWorldOptions = {}) {
    this.network = createMemoryNetwork({ latencyMs: 100, ...options.network });
    this.clock = this.network.clock;
    const windowBytes = options.windowBytes ?? 64 * 1024;
    const profile: TransportProfile = {
      ...fileSync,
      initialConnectionWindowBytes: windowBytes,
      initialStreamWindowBytes: windowBytes,
    };
    this.own = this.endpoint('10.0.0.1', profile);
    this.peer = this.endpoint('10.0.0.2', profile);
    this.peer.onConnection((connection) => {
      this.accepted.push(connection);
      connection.onStream((stream) => {
        if (stream.kind === 'bidi') void this.answer(connection, stream).catch(() => {});
      });
    });
    const { clock } = this;
    this.pool = new ConnectionPool(
      {
        clock: { nowMs: () => clock.now(), after: (delayMs, run) => clock.schedule(delayMs, run) },
        random: () => 0.5,
        dial: (role, signal) => this.dial(role, signal),
        ping: (connection, timeoutMs) => this.ping(connection, timeoutMs),
        loopUtilisation: () => this.loopUtilisation,
        onChange: () => this.upCounts.push(this.pool.connections().length),
        ...options.dependencies,
      },
      options.pool,
    );
  }

  /** `primary:ready data:dialling …` */
  get shape(): string {
    return this.pool
      .state()
      .connections.map(({ role, state }) => `${role}:${state}`)
      .join(' ');
  }

  /** How many a connection that was dialled by this pool is to the peer: its other end. */
  otherEnd(connection: Connection | undefined): Connection {
    const found = this.accepted.find(({ id }) => id === connection?.id);
    if (found === undefined) throw new Error('the peer has no such connection');
    return found;
  }

  async started(): Promise<this> {
    this.pool.start();
    await this.clock.advance(1_000);
    return this;
  }

  /** Keeps so many requests in flight, each of so many bytes, until {@link endBulk}. */
  startBulk(parallel = 16, sizeBytes = 64 * 1024): void {
    const { signal } = this.stopBulk;
    setMaxListeners(0, signal);
    const bytes = new Uint8Array(sizeBytes);
    for (let i = 0; i < parallel; i++) {
      void (async () => {
        while (!signal.aborted) {
          await requestOverPool(this.pool, (connection) => this.sendBulk(connection, bytes), { signal });
          this.requestsDone++;
        }
      })().catch(() => {});
    }
  }

  endBulk(): void {
    this.stopBulk.abort();
  }

  async sendBulk(connection: Connection, bytes: Uint8Array): Promise<void> {
    const stream = await connection.openBidi();
    await stream.write(Uint8Array.of(BULK));
    await stream.write(bytes);
    await stream.finish();
    while ((await stream.read()) !== null);
  }

  private async dial(role: PooledRole, signal: AbortSignal): Promise<Connection> {
    const entry = { atMs: this.clock.now(), role, connection: undefined as Connection | undefined };
    this.dialled.push(entry);
    if (this.dials === 'never') return new Promise(() => {});
    if (this.dials === 'refused') throw new Error('refused');
    entry.connection = await this.own.connect(this.peer.localAddress, {
      alpn: ALPN,
      verifyPeer: acceptAnyone,
      signal,
    });
    return entry.connection;
  }

  private async ping(connection: Connection, timeoutMs: number): Promise<number> {
    const startMs = this.clock.now();
    const stream = await connection.openBidi({ urgency: 0 });
    await stream.write(Uint8Array.of(PING));
    await stream.finish();
    return new Promise((resolve, reject) => {
      this.clock.schedule(timeoutMs, () => reject(new Error('no answer')));
      stream.read().then(() => resolve(this.clock.now() - startMs), reject);
    });
  }

  private async answer(connection: Connection, stream: BidiStream): Promise<void> {
    let kind: number | undefined;
    for (;;) {
      if (this.hanging.has(connection.id)) return;
      const bytes = await stream.read();
      if (bytes === null) break;
      kind ??= bytes[0];
      this.bytesTaken += bytes.length;
    }
    if (this.hanging.has(connection.id)) return;
    if (kind === PING) await stream.write(Uint8Array.of(PING));
    await stream.finish();
  }

  private endpoint(host: string, profile: TransportProfile): Endpoint {
    const endpoint = this.network.endpoint(
      { host, port: 4_000 },
      { certificate: Buffer.from(host), verifyPeer: acceptAnyone, profile },
    );
    endpoint.setAcceptedProtocols([ALPN]);
    return endpoint;
  }
}
