import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../memory/virtual-clock.js';
import { type CloseInfo, type Connection, type SocketAddress, TransportError } from '../transport.js';
import { PeerConnector } from './peer-connector.js';

type Outcome = { readonly afterMs: number; readonly error?: TransportError } | 'never';

const address = (n: number): SocketAddress => ({ host: `192.0.2.${n}`, port: 4000 });
const GONE: CloseInfo = { by: 'timeout', reason: 'idle' };
const NOT_PAIRED: CloseInfo = { by: 'peer', code: 4, reason: 'not paired' };
const refused = () => new TransportError('handshake-timeout', 'no answer');

class FakeConnection {
  readonly closes: { code: number; reason: string }[] = [];
  readonly closed: Promise<CloseInfo>;
  end: (info: CloseInfo) => void = () => undefined;

  constructor(readonly remote: SocketAddress) {
    this.closed = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async close(code: number, reason: string): Promise<void> {
    this.closes.push({ code, reason });
    this.end({ by: 'local', code, reason });
  }

  asConnection(): Connection {
    return this as unknown as Connection;
  }
}

/** A connector in a world where every address answers as the test says, and time passes when the test says. */
class World {
  readonly clock = new VirtualClock();
  readonly dials: { atMs: number; address: SocketAddress; signal: AbortSignal | undefined }[] = [];
  readonly opened: FakeConnection[] = [];
  readonly handedOver: FakeConnection[] = [];
  readonly failures: unknown[] = [];
  random = 1;
  /** Whether an abort comes too late for attempts to notice. */
  abortsComeLate = false;
  outcome: (of: SocketAddress) => Outcome = () => ({ afterMs: 10, error: refused() });
  readonly connector: PeerConnector;

  constructor(addresses: readonly SocketAddress[]) {
    this.connector = new PeerConnector(
      {
        endpoint: { connect: (of, options) => this.connect(of, options.signal) },
        alpn: 'test/1',
        verifyPeer: () => ({ accepted: true, identity: { key: 'peer' } }),
        clock: { nowMs: () => this.clock.now(), after: (delayMs, run) => this.clock.schedule(delayMs, run) },
        random: () => this.random,
      },
      {
        addresses,
        onConnection: (connection) => this.handedOver.push(connection as unknown as FakeConnection),
        onAttemptFailed: (error) => this.failures.push(error),
      },
    );
  }

  get dialTimesMs(): readonly number[] {
    return this.dials.map((dial) => dial.atMs);
  }

  get last(): FakeConnection {
    const connection = this.handedOver.at(-1);
    if (connection === undefined) throw new Error('nothing was handed over');
    return connection;
  }

  private connect(of: SocketAddress, signal: AbortSignal | undefined): Promise<Connection> {
    this.dials.push({ atMs: this.clock.now(), address: of, signal });
    const outcome = this.outcome(of);
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => {
        if (!this.abortsComeLate) reject(new TransportError('aborted', 'aborted'));
      });
      if (outcome === 'never') return;
      this.clock.schedule(outcome.afterMs, () => {
        if (outcome.error !== undefined) {
          reject(outcome.error);
          return;
        }
        if (signal?.aborted && !this.abortsComeLate) return;
        const connection = new FakeConnection(of);
        this.opened.push(connection);
        resolve(connection.asConnection());
      });
    });
  }
}

describe('PeerConnector', () => {
  it('waits twice as long after every failure, up to a minute', async () => {
    const world = new World([address(1)]);
    world.connector.start();
    await world.clock.advance(400_000);
    const waits = world.dialTimesMs.map((atMs, i) => atMs - (world.dialTimesMs[i - 1] ?? -10) - 10);
    expect(waits.slice(1, 9)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    expect(waits.slice(9).every((waitMs) => waitMs === 60_000)).toBe(true);
    expect(world.failures.length).toBe(world.dials.length);
  });

  it('draws every wait from the whole range, so that it may also be none', async () => {
    const world = new World([address(1)]);
    world.random = 0;
    world.connector.start();
    await world.clock.advance(35);
    expect(world.dialTimesMs).toEqual([0, 10, 20, 30]);
    world.connector.stop();
  });

  it('races its addresses 250 ms apart, hands over the first and gives up the others', async () => {
    const world = new World([address(1), address(2), address(3), address(4)]);
    world.outcome = (of) => (of.host === address(2).host ? { afterMs: 300 } : 'never');
    world.connector.start();
    await world.clock.advance(10_000);
    expect(world.dialTimesMs).toEqual([0, 250, 500]);
    expect(world.handedOver.map((connection) => connection.remote)).toEqual([address(2)]);
    expect(world.dials.every((dial) => dial.signal?.aborted)).toBe(true);
    expect(world.failures).toEqual([]);
  });

  it('goes to the next address at once when one fails, and tries eight at most', async () => {
    const world = new World(Array.from({ length: 12 }, (_, n) => address(n)));
    world.connector.start();
    await world.clock.advance(90);
    expect(world.dialTimesMs).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
  });

  it('tries the address first that authenticated last', async () => {
    const world = new World([address(1), address(2)]);
    world.outcome = (of) =>
      of.host === address(2).host ? { afterMs: 10 } : { afterMs: 10, error: refused() };
    world.connector.start();
    await world.clock.advance(50);
    world.last.end(GONE);
    await world.clock.advance(1_000);
    expect(world.dials.map((dial) => dial.address)).toEqual([address(1), address(2), address(2)]);
  });

  it('closes with 5 what connects after the race is over', async () => {
    const world = new World([address(1), address(2)]);
    world.abortsComeLate = true;
    world.outcome = () => ({ afterMs: 260 });
    world.connector.start();
    await world.clock.advance(1_000);
    expect(world.opened.map((connection) => connection.closes.map((close) => close.code))).toEqual([[], [5]]);
    expect(world.handedOver).toEqual(world.opened.slice(0, 1));
  });

  it('closes with 5 what connects after an incoming session came up', async () => {
    const world = new World([address(1)]);
    world.abortsComeLate = true;
    world.outcome = () => ({ afterMs: 100 });
    world.connector.start();
    await world.clock.advance(50);
    world.connector.connected(new FakeConnection(address(9)).asConnection());
    await world.clock.advance(1_000);
    expect(world.handedOver).toEqual([]);
    expect(world.opened.map((connection) => connection.closes.map((close) => close.code))).toEqual([[5]]);
  });

  it('dials while nothing is up only, whoever dialled what is', async () => {
    const world = new World([address(1)]);
    world.connector.start();
    await world.clock.advance(100);
    const dialled = world.dials.length;
    const incoming = new FakeConnection(address(1));
    world.connector.connected(incoming.asConnection());
    world.connector.kick();
    world.connector.setAddresses([address(2)], { fresh: true });
    await world.clock.advance(300_000);
    expect(world.dials.length).toBe(dialled);
    incoming.end(GONE);
    await world.clock.advance(1_000);
    expect(world.dials.length).toBeGreaterThan(dialled);
  });

  it('is told of a loss once, by the owner or by the connection', async () => {
    const world = new World([address(1)]);
    world.outcome = () => ({ afterMs: 10 });
    world.connector.start();
    await world.clock.advance(20);
    const first = world.last;
    world.connector.connected(first.asConnection());
    await world.clock.advance(60_000);
    world.connector.lost(GONE);
    first.end(GONE);
    await world.clock.advance(600);
    expect(world.handedOver).toHaveLength(2);
    // The first is not the one that is up any more.
    await world.clock.advance(300_000);
    expect(world.handedOver).toHaveLength(2);
  });

  it('starts afresh after a session that lasted, and backs off after ones that did not', async () => {
    const world = new World([address(1)]);
    world.outcome = () => ({ afterMs: 0 });
    world.connector.start();
    const waitsMs: number[] = [];
    for (const lastedMs of [0, 0, 0, 20_000, 0]) {
      await world.clock.advance(0);
      const count = world.handedOver.length;
      world.connector.connected(world.last.asConnection());
      await world.clock.advance(lastedMs);
      const lostAtMs = world.clock.now();
      world.last.end(GONE);
      while (world.handedOver.length === count) await world.clock.advance(100);
      waitsMs.push(world.clock.now() - lostAtMs);
    }
    expect(waitsMs).toEqual([500, 1_000, 2_000, 500, 1_000]);
  });

  it('dials at once when a device is seen, but not more often than every 5 s', async () => {
    const world = new World([address(1)]);
    world.connector.start();
    await world.clock.advance(120_000);
    const before = world.dials.length;
    for (let n = 0; n < 20; n++) {
      world.connector.setAddresses([address(2)], { fresh: true });
      await world.clock.advance(1);
    }
    expect(world.dials.slice(before).map((dial) => dial.address)).toEqual([address(2)]);
    await world.clock.advance(5_000);
    const later = world.dials.length;
    world.connector.setAddresses([address(3)], { fresh: true });
    expect(world.dials.slice(later).map((dial) => dial.address)).toEqual([address(3)]);
  });

  it('enters an address that becomes known into the race that runs', async () => {
    const world = new World([address(1)]);
    world.outcome = (of) => (of.host === address(2).host ? { afterMs: 10 } : 'never');
    world.connector.start();
    await world.clock.advance(3_000);
    world.connector.setAddresses([address(1), address(2)], { fresh: true });
    await world.clock.advance(20);
    expect(world.last.remote).toEqual(address(2));
  });

  it('waits for a first address, and dials it when it comes', async () => {
    const world = new World([]);
    world.connector.start();
    await world.clock.advance(60_000);
    expect(world.dials).toEqual([]);
    world.connector.setAddresses([address(1)], { fresh: false });
    expect(world.dials).toHaveLength(1);
  });

  it('asks a device that does not know us every ten minutes, whatever discovery says, or when told to', async () => {
    const world = new World([address(1)]);
    const error = new TransportError('connection-closed', 'closed', { closeInfo: NOT_PAIRED });
    world.outcome = () => ({ afterMs: 10, error });
    world.connector.start();
    await world.clock.advance(20);
    expect(world.connector.notPaired).toBe(true);
    for (let n = 0; n < 100; n++) {
      world.connector.setAddresses([address(1)], { fresh: true });
      await world.clock.advance(10_000);
    }
    expect(world.dialTimesMs).toEqual([0, 600_010]);
    world.connector.kick();
    expect(world.dials).toHaveLength(3);
  });

  it('learns from a session that it is not known', async () => {
    const world = new World([address(1)]);
    world.outcome = () => ({ afterMs: 10 });
    world.connector.start();
    await world.clock.advance(20);
    world.last.end(NOT_PAIRED);
    await world.clock.advance(599_000);
    expect(world.dials).toHaveLength(1);
    await world.clock.advance(2_000);
    expect(world.dials).toHaveLength(2);
  });

  it('does nothing after it was stopped', async () => {
    const world = new World([address(1)]);
    world.outcome = () => 'never';
    world.connector.start();
    world.connector.stop();
    await world.clock.advance(1);
    expect(world.dials[0]?.signal?.aborted).toBe(true);
    world.connector.kick();
    world.connector.setAddresses([address(2)], { fresh: true });
    await world.clock.advance(600_000);
    expect(world.dials).toHaveLength(1);
    expect(world.failures).toEqual([]);
  });

  it('always has a dial or a timer while nothing is up, and never more than one connection', async () => {
    const step = fc.constantFrom(
      'fresh',
      'stale',
      'kick',
      'lose',
      'incoming',
      'wait',
      'long',
      'answer',
      'deaf',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, abortsComeLate) => {
        const world = new World([address(1), address(2)]);
        world.abortsComeLate = abortsComeLate;
        world.connector.start();
        let up: FakeConnection | undefined;
        for (const each of steps) {
          const handed = world.handedOver.length;
          if (each === 'answer') world.outcome = () => ({ afterMs: 30 });
          else if (each === 'deaf') world.outcome = () => ({ afterMs: 30, error: refused() });
          else if (each === 'fresh') world.connector.setAddresses([address(1), address(3)], { fresh: true });
          else if (each === 'stale') world.connector.setAddresses([address(2)], { fresh: false });
          else if (each === 'kick') world.connector.kick();
          else if (each === 'lose') up?.end(GONE);
          else if (each === 'incoming' && up === undefined) {
            up = new FakeConnection(address(9));
            world.connector.connected(up.asConnection());
          }
          await world.clock.advance(each === 'long' ? 10_000 : 20);
          if (each === 'lose') up = undefined;
          const fresh = world.handedOver.slice(handed);
          expect(fresh.length).toBeLessThanOrEqual(1);
          if (fresh.length > 0) {
            expect(up).toBeUndefined();
            up = fresh[0];
          }
        }
        const dialled = world.dials.length;
        const handed = world.handedOver.length;
        world.outcome = () => ({ afterMs: 30 });
        await world.clock.advance(61_000);
        if (up !== undefined) expect(world.dials.length).toBe(dialled);
        expect(world.handedOver.length).toBe(up === undefined ? handed + 1 : handed);
        const kept = new Set(world.handedOver);
        for (const connection of world.opened) {
          if (!kept.has(connection)) expect(connection.closes).toMatchObject([{ code: 5 }]);
        }
      }),
      { numRuns: 60 },
    );
  });
});
