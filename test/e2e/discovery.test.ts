import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../support/free-port.js';
import { makeNetworkNamespace } from '../support/network-namespace.js';
import { pairDevices, shareFolder, untilConnected, waitForPeers } from '../support/pair-and-share.js';
import { untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('paired devices find each other at addresses they were never told', async ({ skip }) => {
  const network = makeNetworkNamespace();
  skip(network === undefined, 'only root can make a network of its own');
  if (network === undefined) return;
  const launch = { prefix: network.prefix, discovery: true };
  const [a, b] = [await newDevice('a', launch), await newDevice('b', launch)];
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await waitForPeers(a);

  await Promise.all([a.stop(), b.stop()]);
  writeFileSync(join(left, 'while apart'), 'x');
  await Promise.all([a.start(await freePort()), b.start(await freePort())]);
  await untilConnected(a, b);
  expect([...(await untilSame(left, right)).keys()]).toEqual(['while apart']);
});

test('with --no-discovery they do not', { timeout: 60_000 }, async ({ skip }) => {
  const network = makeNetworkNamespace();
  skip(network === undefined, 'only root can make a network of its own');
  if (network === undefined) return;
  const launch = { prefix: network.prefix };
  const [a, b] = [await newDevice('a', launch), await newDevice('b', launch)];
  await pairDevices(a, b);
  await Promise.all([a.stop(), b.stop()]);
  await Promise.all([a.start(await freePort()), b.start(await freePort())]);
  await expect(untilConnected(a, b, { timeoutMs: 4_000 })).rejects.toThrow('Not within');
});
