import { expect, test } from 'vitest';
import { MemoryDevices } from './memory-devices.fixture.js';
import { PingClock } from './ping-clock.js';

function setUp() {
  const devices = new MemoryDevices();
  const sent: number[] = [];
  return { devices, sent, pings: new PingClock(devices.clock, (nonce) => sent.push(nonce)) };
}

test('each answer ends its own measurement, in whatever order they come', async () => {
  const { devices, sent, pings } = setUp();
  const first = pings.measure(1_000);
  await devices.advance(10);
  const second = pings.measure(1_000);
  await devices.advance(5);
  pings.answered(sent[1] ?? -1);
  await devices.advance(85);
  pings.answered(sent[0] ?? -1);
  expect([await first, await second, pings.lastRoundTripMs]).toEqual([100, 5, 100]);
});

test('no answer in time is a timeout, and one that comes after it counts for nothing', async () => {
  const { devices, sent, pings } = setUp();
  const outcome = expect(pings.measure(50)).rejects.toMatchObject({ code: 'timeout' });
  await devices.advance(50);
  await outcome;
  pings.answered(sent[0] ?? -1);
  pings.answered(12_345);
  expect(pings.lastRoundTripMs).toBeUndefined();
});

test('the caller and the end of the session end a measurement; nothing is sent for one that is over before', async () => {
  const { sent, pings } = setUp();
  const leaving = new AbortController();
  const left = expect(pings.measure(1_000, leaving.signal)).rejects.toMatchObject({ code: 'ended' });
  leaving.abort();
  await left;
  await expect(pings.measure(1_000, leaving.signal)).rejects.toMatchObject({ code: 'ended' });
  const ended = expect(pings.measure(1_000)).rejects.toMatchObject({ code: 'ended' });
  pings.stop();
  await ended;
  await expect(pings.measure(1_000)).rejects.toMatchObject({ code: 'ended' });
  expect(sent).toHaveLength(2);
});
