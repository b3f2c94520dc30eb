import { describe, expect, it } from 'vitest';
import { PoolWorld } from './pool.fixture.js';
import { requestOverPool } from './pool-request.js';

const KIB = 1024;

describe('growing under load', () => {
  it('opens up to three more connections while the window of each is the limit, and gets as much faster', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    await world.clock.advance(3_000);
    const before = world.bytesTaken;
    expect(world.shape).toBe('primary:ready');
    await world.clock.advance(2_000);
    const oneRate = (world.bytesTaken - before) / 2;
    await world.clock.advance(60_000);
    expect(world.shape).toBe('primary:ready data:ready data:ready data:ready');
    const later = world.bytesTaken;
    await world.clock.advance(2_000);
    expect((world.bytesTaken - later) / 2).toBeGreaterThan(3 * oneRate);
    await world.clock.advance(60_000);
    expect(world.dialled.map(({ role }) => role)).toEqual(['primary', 'data', 'data', 'data']);
    expect(world.pool.state().counts).toMatchObject({ dialled: 4, withdrawn: 0, handedBack: 0 });
  });

  it('opens none where the link is full, however much there is to send', async () => {
    const world = await new PoolWorld({
      network: { bytesPerSecond: 500 * KIB },
      windowBytes: 256 * KIB,
    }).started();
    world.startBulk();
    await world.clock.advance(120_000);
    expect(world.bytesTaken).toBeGreaterThan(50_000 * KIB);
    expect(world.dialled).toHaveLength(1);
  });

  it('opens none where the event loop is the limit', async () => {
    const world = await new PoolWorld().started();
    world.loopUtilisation = 0.95;
    world.startBulk();
    await world.clock.advance(60_000);
    expect(world.pool.state().limit).toBe('loop');
    expect(world.dialled).toHaveLength(1);
    world.loopUtilisation = 0.2;
    await world.clock.advance(10_000);
    expect(world.dialled.length).toBeGreaterThan(1);
  });

  it('opens none where nothing waits to be sent', async () => {
    const world = await new PoolWorld().started();
    world.startBulk(1, 2 * KIB);
    await world.clock.advance(60_000);
    expect(world.requestsDone).toBeGreaterThan(100);
    expect(world.dialled).toHaveLength(1);
  });

  it('opens none on a network without delay, where a window is no limit', async () => {
    const world = await new PoolWorld({ network: { latencyMs: 0.1, bytesPerSecond: 1_000 * KIB } }).started();
    world.startBulk();
    await world.clock.advance(60_000);
    expect(world.dialled).toHaveLength(1);
  });

  it('closes one that brought nothing, and does not try again for a while', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    while (world.dialled.length < 2) await world.clock.advance(100);
    // What all of them share is full now.
    world.network.setConditions('10.0.0.1', '10.0.0.2', { bytesPerSecond: (1.05 * 64 * KIB) / 0.2 });
    await world.clock.advance(20_000);
    expect(world.pool.state().counts.withdrawn).toBe(1);
    expect(world.shape).toBe('primary:ready');
    const done = world.requestsDone;
    await world.clock.advance(120_000);
    expect(world.dialled).toHaveLength(2);
    expect(world.requestsDone).toBeGreaterThan(done + 200);
  });

  it('closes what was not used for 300 s, and keeps the primary', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    await world.clock.advance(60_000);
    world.endBulk();
    await world.clock.advance(280_000);
    expect(world.shape).toBe('primary:ready data:ready data:ready data:ready');
    await world.clock.advance(35_000);
    expect(world.shape).toBe('primary:ready');
    expect(world.pool.state().counts).toMatchObject({ closedIdle: 3, lost: 0 });
    await world.clock.advance(3_600_000);
    expect(world.dialled).toHaveLength(4);
  });
});

describe('health', () => {
  it('replaces a connection that misses three pings, the new one up before the old one goes', async () => {
    const world = await new PoolWorld().started();
    await world.clock.advance(60_000);
    const [old] = world.pool.connections();
    world.hanging.add(old?.id ?? '');
    world.upCounts.length = 0;
    await world.clock.advance(45_000);
    expect(world.shape).toBe('primary:suspect');
    await world.clock.advance(90_000);
    expect(world.shape).toBe('primary:ready');
    expect(world.pool.connections()).not.toContain(old);
    expect(Math.min(...world.upCounts)).toBe(1);
    expect(await old?.closed).toMatchObject({ by: 'local', code: 0 });
    expect(world.pool.state().counts).toMatchObject({ replaced: 1, lost: 0 });
    expect(world.dialled.map(({ atMs }) => atMs)).toHaveLength(2);
  });

  it('gives up the one that does not answer when no other can be had in time', async () => {
    const world = await new PoolWorld().started();
    const [old] = world.pool.connections();
    world.hanging.add(old?.id ?? '');
    world.dials = 'never';
    await world.clock.advance(115_000);
    expect(world.shape).toBe('primary:suspect primary:dialling');
    await world.clock.advance(10_000);
    expect(world.pool.connections()).toEqual([]);
    world.dials = 'answered';
    await world.clock.advance(21_000);
    expect(world.shape).toBe('primary:ready');
  });

  it('prefers a connection that answers', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    while (world.pool.connections().length < 2) await world.clock.advance(100);
    await world.clock.advance(10_000);
    world.endBulk();
    await world.clock.advance(5_000);
    const [primary, data] = world.pool.connections();
    world.hanging.add(primary?.id ?? '');
    await world.clock.advance(40_000);
    expect(world.shape).toMatch(/^primary:suspect data:ready/);
    const leases = [1, 2, 3].map(() => world.pool.lease({ onLost: () => {} }));
    expect(leases.map((lease) => lease?.connection.id)).not.toContain(primary?.id);
    expect(leases.map((lease) => lease?.connection.id)).toContain(data?.id);
  });

  it('replaces a connection before its keys are used up, and lets what is in flight on it end', async () => {
    const world = await new PoolWorld({ pool: { maxPacketsPerKey: 300 } }).started();
    const [old] = world.pool.connections();
    world.startBulk();
    world.upCounts.length = 0;
    await world.clock.advance(40_000);
    const counts = world.pool.state().counts;
    expect(counts.replaced).toBeGreaterThan(2);
    expect(counts).toMatchObject({ handedBack: 0, lost: 0 });
    expect(Math.min(...world.upCounts)).toBeGreaterThan(0);
    expect(await old?.closed).toMatchObject({ by: 'local', code: 0 });
    expect(old?.stats().packetsOut).toBeLessThan(300);
  });

  it('keeps one that ages for as long as no other can be dialled, and tries again', async () => {
    const world = await new PoolWorld({ pool: { maxPacketsPerKey: 300 } }).started();
    world.dials = 'refused';
    world.startBulk();
    await world.clock.advance(20_000);
    expect(world.dialled.length).toBeGreaterThan(4);
    expect(world.shape).toBe('primary:ready');
    world.dials = 'answered';
    await world.clock.advance(60_000);
    expect(world.pool.state().counts.replaced).toBeGreaterThan(0);
  });
});

describe('losing connections', () => {
  it('asks requests again on a connection that is left, each exactly once', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    await world.clock.advance(30_000);
    expect(world.pool.connections()).toHaveLength(4);
    const [, victim] = world.pool.connections();
    const { requests } = world.pool.state().connections[1] ?? { requests: 0 };
    expect(requests).toBeGreaterThan(0);
    void world.otherEnd(victim).close(8, 'broken');
    const done = world.requestsDone;
    await world.clock.advance(150);
    expect(world.pool.state().counts).toMatchObject({ handedBack: requests, lost: 1 });
    const inFlight = world.pool.state().connections.reduce((sum, each) => sum + each.requests, 0);
    expect(inFlight).toBe(16);
    await world.clock.advance(2_000);
    expect(world.requestsDone).toBeGreaterThan(done + 16);
    // And the one that was lost is made up for.
    await world.clock.advance(2_000);
    expect(world.pool.connections()).toHaveLength(4);
  });

  it('waits for the next primary where none is left, and then goes on', async () => {
    const world = await new PoolWorld().started();
    const [primary] = world.pool.connections();
    const controller = new AbortController();
    let asked = 0;
    const request = requestOverPool(
      world.pool,
      async (connection) => {
        asked++;
        if (asked === 1) await new Promise(() => {});
        return connection.id;
      },
      { signal: controller.signal },
    );
    await world.clock.advance(100);
    void world.otherEnd(primary).close(8, 'broken');
    await world.clock.advance(5_000);
    expect(await request).toBe(world.pool.connections()[0]?.id);
    expect(asked).toBe(2);
  });

  it('dials the primary again with backoff, drawn at random and longer each time', async () => {
    const world = new PoolWorld();
    world.dials = 'refused';
    world.pool.start();
    await world.clock.advance(120_000);
    const waits = world.dialled.map(({ atMs }, i) => atMs - (world.dialled[i - 1]?.atMs ?? 0)).slice(1);
    // Half of what it may be at most, as the fixture's chance always says a half.
    expect(waits.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  });

  it('lets data connections serve on until the next primary, and closes them when none comes', async () => {
    const world = await new PoolWorld().started();
    world.startBulk();
    await world.clock.advance(30_000);
    const [primary, ...data] = world.pool.connections();
    world.dials = 'refused';
    void world.otherEnd(primary).close(8, 'broken');
    await world.clock.advance(5_000);
    expect(world.pool.connections()).toEqual(data);
    await world.clock.advance(6_000);
    expect(world.pool.connections()).toEqual([]);
    expect(world.dialled.slice(4).every(({ role }) => role === 'primary')).toBe(true);
    world.dials = 'answered';
    const done = world.requestsDone;
    await world.clock.advance(60_000);
    expect(world.requestsDone).toBeGreaterThan(done + 100);
  });

  it('drops a dial that does not come to an end', async () => {
    const world = new PoolWorld();
    world.dials = 'never';
    world.pool.start();
    await world.clock.advance(19_000);
    expect(world.shape).toBe('primary:dialling');
    expect(world.dialled).toHaveLength(1);
    world.dials = 'answered';
    await world.clock.advance(5_000);
    expect(world.shape).toBe('primary:ready');
  });

  it('does not insist on more connections with a peer that takes none', async () => {
    const world = await new PoolWorld().started();
    world.dials = 'refused';
    world.startBulk();
    await world.clock.advance(600_000);
    expect(world.dialled.length).toBeLessThan(40);
    expect(world.pool.connections()).toHaveLength(1);
    world.endBulk();
    const dials = world.dialled.length;
    await world.clock.advance(600_000);
    expect(world.dialled).toHaveLength(dials);
  });
});

describe('connections from elsewhere', () => {
  it('takes up to one more than it would hold, and refuses the rest', async () => {
    const world = await new PoolWorld({ pool: { keepsPrimary: false } }).started();
    const connect = async () => {
      const dialling = world.own.connect(world.peer.localAddress, {
        alpn: 'pool/1',
        verifyPeer: () => ({ accepted: true, identity: { key: 'peer' } }),
      });
      await world.clock.advance(1_000);
      return dialling;
    };
    expect(world.dialled).toEqual([]);
    expect(world.pool.adopt(await connect(), 'primary')).toBe(true);
    const taken = [];
    for (let i = 0; i < 6; i++) taken.push(world.pool.adopt(await connect(), 'data'));
    expect(taken).toEqual([true, true, true, true, false, false]);
    const next = await connect();
    const [old] = world.pool.connections();
    expect(world.pool.adopt(next, 'primary')).toBe(true);
    expect(world.pool.adopt(next, 'primary')).toBe(true);
    expect(world.pool.connections()[0]).toBe(next);
    await world.clock.advance(100);
    expect(await old?.closed).toMatchObject({ by: 'local', code: 0 });
  });

  it('says goodbye before it lets one go, and waits for the peer to finish', async () => {
    const said: string[] = [];
    const world = await new PoolWorld({
      dependencies: { sayGoodbye: (connection, reason) => said.push(`${connection.id}: ${reason}`) },
    }).started();
    const [old] = world.pool.connections();
    world.hanging.add(old?.id ?? '');
    await world.clock.advance(101_000);
    expect(world.shape).toBe('primary:ready primary:draining');
    expect(said).toEqual([`${old?.id}: another connection takes its place`]);
    await world.clock.advance(5_000);
    expect(world.shape).toBe('primary:ready');
  });

  it('finishes what is in flight where the peer said goodbye, and puts nothing new there', async () => {
    const world = await new PoolWorld({ dependencies: { sayGoodbye: () => {} } }).started();
    const [primary] = world.pool.connections();
    const lease = world.pool.lease({ onLost: () => {} });
    if (primary === undefined || lease === undefined) throw new Error('no connection');
    world.pool.retire(primary);
    expect(world.pool.lease({ onLost: () => {} })).toBeUndefined();
    await world.clock.advance(4_000);
    expect(world.shape).toMatch(/primary:draining/);
    lease.release();
    await world.clock.advance(1);
    expect(world.shape).toBe('primary:ready');
  });
});

it('hands everything back and closes everything when it is stopped, and does nothing after', async () => {
  const world = await new PoolWorld().started();
  world.startBulk();
  await world.clock.advance(12_000);
  const open = world.pool.connections();
  expect(open.length).toBeGreaterThan(1);
  let lost = 0;
  world.pool.lease({ onLost: () => lost++ });
  const waiting = world.pool.whenReady(new AbortController().signal);
  await waiting;
  void world.pool.stop(6, 'shutting down');
  await world.clock.advance(1_000);
  expect(lost).toBe(1);
  for (const connection of open) expect(await connection.closed).toMatchObject({ by: 'local', code: 6 });
  expect(world.pool.state().connections).toEqual([]);
  expect(world.pool.lease({ onLost: () => {} })).toBeUndefined();
  await expect(world.pool.whenReady(new AbortController().signal)).rejects.toThrow('stopped');
  const dials = world.dialled.length;
  await world.clock.advance(600_000);
  expect(world.dialled).toHaveLength(dials);
});
