import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { FoundDevice } from './discovery.js';
import { MdnsDiscovery } from './mdns-discovery.js';

/** Set in the run inside of a network namespace; elsewhere nothing in here may send a packet. */
const IN_NAMESPACE = process.env.LANDROPIC_TEST_NAMESPACE === '1';
const OWN_NETWORK = ['unshare', '--net', 'sh', '-c'] as const;
const LOOPBACK_MULTICAST =
  'ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"';
const GROUP = '224.0.0.251';
const MDNS_PORT = 5353;

const canMakeNamespace =
  process.platform === 'linux' &&
  spawnSync(OWN_NETWORK[0], [...OWN_NETWORK.slice(1), LOOPBACK_MULTICAST, 'sh', 'true']).status === 0;

describe.skipIf(IN_NAMESPACE)('discovery by multicast DNS', () => {
  // Needs root on Linux: on the network of the machine itself, a test would announce devices that do not exist.
  it.skipIf(!canMakeNamespace)(
    'works in a network of its own',
    () => {
      const vitest = join(
        dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
        'vitest.mjs',
      );
      const file = fileURLToPath(import.meta.url);
      const run = spawnSync(
        OWN_NETWORK[0],
        [
          ...OWN_NETWORK.slice(1),
          LOOPBACK_MULTICAST,
          'sh',
          process.execPath,
          vitest,
          'run',
          '--project',
          'unit',
          file,
        ],
        {
          cwd: fileURLToPath(new URL('../../../../', import.meta.url)),
          env: { ...process.env, LANDROPIC_TEST_NAMESPACE: '1', NO_COLOR: '1' },
          encoding: 'utf8',
          timeout: 60_000,
        },
      );
      expect(run.status, run.stdout + run.stderr).toBe(0);
      expect(run.stdout).toMatch(/5 passed/);
    },
    60_000,
  );
});

describe.skipIf(!IN_NAMESPACE)('discovery in a network of its own', () => {
  const running: MdnsDiscovery[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((discovery) => discovery.stop()));
    for (const socket of sockets.splice(0)) socket.close();
  });

  const LAPTOP = 'LAPTOP' as DeviceKey;
  const DESK = 'DESK' as DeviceKey;

  function make(device: DeviceKey, port: number) {
    const log: string[] = [];
    const write = (_: object, message: string) => log.push(message);
    const timers: { delayMs: number; callback: () => void }[] = [];
    const discovery = new MdnsDiscovery({
      randomBytes,
      log: { debug: () => undefined, info: write, warn: write },
      parseDeviceId: (text) => [LAPTOP, DESK].find((id) => id === text),
      clock: {
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        after: (delayMs, callback) => {
          const timer = { delayMs, callback };
          timers.push(timer);
          const handle = setTimeout(callback, delayMs);
          return () => {
            clearTimeout(handle);
            if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
          };
        },
      },
    });
    running.push(discovery);
    discovery.setAnnouncement({ deviceId: device, port });
    const fireTimers = () => {
      for (const { callback } of timers.splice(0)) callback();
    };
    return { discovery, log, fireTimers };
  }

  /** The next device found that fits. */
  function find(discovery: MdnsDiscovery, fits: (device: FoundDevice) => boolean = () => true) {
    return new Promise<FoundDevice>((resolve) => {
      const stop = discovery.onDeviceFound((device) => {
        if (!fits(device)) return;
        stop();
        resolve(device);
      });
    });
  }

  async function listen(options: { readonly isGroup: boolean }): Promise<Socket> {
    const socket = createSocket({ type: 'udp4', reuseAddr: options.isGroup });
    sockets.push(socket);
    socket.bind(MDNS_PORT, options.isGroup ? undefined : '0.0.0.0');
    await once(socket, 'listening');
    if (options.isGroup) {
      socket.addMembership(GROUP, '127.0.0.1');
      socket.setMulticastInterface('127.0.0.1');
    }
    return socket;
  }

  it('lets two devices find each other, under no name', async () => {
    const eavesdropper = await listen({ isGroup: true });
    const heard: Buffer[] = [];
    eavesdropper.on('message', (message) => heard.push(message));
    const laptop = make(LAPTOP, 4001);
    const desk = make(DESK, 4002);
    const both = Promise.all([find(laptop.discovery), find(desk.discovery)]);
    laptop.discovery.start();
    desk.discovery.start();
    expect(await both).toEqual([
      { deviceId: DESK, addresses: [{ host: '127.0.0.1', port: 4002 }] },
      { deviceId: LAPTOP, addresses: [{ host: '127.0.0.1', port: 4001 }] },
    ]);
    expect(laptop.discovery.nearby()).toHaveLength(1);
    expect(laptop.discovery.problem()).toBeUndefined();
    const { hostname } = await import('node:os');
    expect(Buffer.concat(heard).includes(hostname())).toBe(false);
  });

  it('tells of a device that comes back, and of a new port', async () => {
    const laptop = make(LAPTOP, 4001);
    const desk = make(DESK, 4002);
    const first = find(laptop.discovery);
    laptop.discovery.start();
    desk.discovery.start();
    await first;
    const moved = find(laptop.discovery, ({ addresses }) => addresses[0]?.port === 4003);
    desk.discovery.setAnnouncement({ deviceId: DESK, port: 4003 });
    await moved;
    const back = find(laptop.discovery, ({ addresses }) => addresses[0]?.port === 4003);
    desk.discovery.refresh();
    await back;
    await desk.discovery.stop();
    await expect.poll(() => laptop.discovery.nearby()).toEqual([]);
  });

  it('survives everything that a network can send', async () => {
    const attacker = await listen({ isGroup: true });
    const real: Buffer[] = [];
    attacker.on('message', (message) => real.push(message));
    const laptop = make(LAPTOP, 4001);
    const desk = make(DESK, 4002);
    const first = find(laptop.discovery);
    laptop.discovery.start();
    desk.discovery.start();
    await first;
    const originals = real.splice(0);
    expect(originals.length).toBeGreaterThan(1);
    for (let round = 0; round < 3000; round++) {
      const packet = Buffer.from(originals[round % originals.length] ?? Buffer.alloc(0));
      for (const at of randomBytes(1 + (round % 4))) packet[at % packet.length] = randomBytes(1)[0] ?? 0;
      const cut = round % 3 === 0 ? packet.subarray(0, randomBytes(1)[0]) : packet;
      await new Promise((resolve) => attacker.send(cut, MDNS_PORT, GROUP, resolve));
    }
    const again = find(laptop.discovery, ({ addresses }) => addresses[0]?.port === 4009);
    laptop.discovery.onDeviceFound(() => {
      throw new Error('one that is told stumbles, inside of the event of the socket');
    });
    desk.discovery.setAnnouncement({ deviceId: DESK, port: 4009 });
    await again;
    await expect.poll(() => laptop.log).toContain('discovery met with a problem');
    expect(laptop.discovery.nearby().length).toBeLessThanOrEqual(2);
  });

  it('goes without while the port is taken, and works once it is free', async () => {
    const holder = await listen({ isGroup: false });
    const laptop = make(LAPTOP, 4001);
    laptop.discovery.start();
    await expect.poll(() => laptop.discovery.problem()).toMatch(/EADDRINUSE/);
    expect(laptop.log).toEqual(['discovery does not work; trying again every minute']);
    await new Promise<void>((resolve) => holder.close(resolve));
    sockets.splice(sockets.indexOf(holder), 1);
    const found = find(laptop.discovery);
    const desk = make(DESK, 4002);
    desk.discovery.start();
    laptop.fireTimers();
    expect(await found).toMatchObject({ deviceId: DESK });
    expect(laptop.discovery.problem()).toBeUndefined();
  });

  it('stops without waiting for anybody, twice, and before it was started', async () => {
    const { discovery } = make(LAPTOP, 4001);
    await discovery.stop();
    discovery.start();
    discovery.start();
    await discovery.stop();
    await discovery.stop();
    discovery.setAnnouncement(undefined);
    discovery.refresh();
    expect(discovery.nearby()).toEqual([]);
  });
});
