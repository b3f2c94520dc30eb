import { expect, test } from 'vitest';
import { MemoryDevices } from './memory-devices.fixture.js';
import { SpaceWatch } from './space-watch.js';

const MIB = 1024 ** 2;

function setUp() {
  const { clock, network } = new MemoryDevices();
  const disk = { freeBytes: 50 * MIB, totalBytes: 100 * MIB, isGone: false };
  const seen: string[] = [];
  let looks = 0;
  const watch = new SpaceWatch({
    disk: {
      freeBytes: async () => {
        looks++;
        const { freeBytes, totalBytes } = disk;
        return disk.isGone
          ? { ok: false, error: { code: 'EIO', message: 'gone' } }
          : { ok: true, value: { freeBytes, totalBytes } };
      },
    },
    clock,
    onLow: () => seen.push('low'),
    onRoom: () => seen.push('room'),
  });
  return { watch, disk, seen, looks: () => looks, advance: (ms: number) => network.clock.advance(ms) };
}

test('it says so when room runs out, and goes on by itself when there is some', async () => {
  const { watch, disk, seen, advance } = setUp();
  await watch.look();
  expect(watch.hasRoom()).toBe(true);
  expect(watch.problem()).toBeUndefined();
  disk.freeBytes = 0.5 * MIB;
  await advance(2_000);
  // The look that this begins is for the next one who asks.
  watch.hasRoom();
  await advance(1);
  expect(watch.hasRoom()).toBe(false);
  expect(watch.problem()).toMatchObject({
    path: '',
    code: 'disk-full',
    text: expect.stringMatching(/0\.5 MiB/),
  });
  expect(seen).toEqual(['low']);
  disk.freeBytes = 2 * MIB;
  await advance(2_001);
  expect(seen).toEqual(['low', 'room']);
  expect(watch.hasRoom()).toBe(true);
  expect(watch.problem()).toBeUndefined();
});

test('it looks now and then, not whenever it is asked, and not at all when nobody asks', async () => {
  const { watch, looks, advance } = setUp();
  await watch.look();
  for (let i = 0; i < 100; i++) watch.hasRoom();
  await advance(60_000);
  expect(looks()).toBe(1);
  watch.hasRoom();
  await advance(1);
  expect(looks()).toBe(2);
});

test('a disk that cannot be asked changes nothing; once stopped, nothing is looked at', async () => {
  const { watch, disk, looks, seen, advance } = setUp();
  disk.freeBytes = 0;
  await watch.look();
  disk.isGone = true;
  await advance(2_001);
  expect(watch.hasRoom()).toBe(false);
  const before = looks();
  watch.stop();
  await advance(60_000);
  watch.hasRoom();
  await advance(1);
  expect(looks()).toBe(before);
  expect(seen).toEqual(['low']);
});
