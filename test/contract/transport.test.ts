import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'vitest';
import { createQuicEndpoint } from '../../packages/quic/src/index.js';
import { createMemoryNetwork } from '../../packages/quic/src/memory/index.js';
import { createSelfSignedCredentials } from '../../packages/quic/src/testing/index.js';
import { loadNativeUdp } from '../../packages/quic/src/udp/native-binding.js';
import { describeTransportContract } from './transport-contract.js';
import type { TransportHarness } from './transport-contract-stage.js';

const ANY_PORT = { host: '127.0.0.1', port: 0 };

for (const datagramIo of ['dgram', 'native'] as const) describeQuiche(datagramIo);

function describeQuiche(datagramIo: 'dgram' | 'native'): void {
  if (datagramIo === 'native' && loadNativeUdp() === undefined) {
    test.skip('quiche over native UDP: the addon was not built on this machine');
    return;
  }
  describeTransportContract(`quiche over UDP (${datagramIo})`, () => openStage(datagramIo));
}

async function openStage(datagramIo: 'dgram' | 'native'): Promise<TransportHarness> {
  // A socket that takes packets and answers none, so that no other program gets its port.
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  return {
    createEndpoint: (options) =>
      createQuicEndpoint({
        listen: ANY_PORT,
        credentials: createSelfSignedCredentials(),
        datagramIo,
        ...options,
      }),
    deadAddress: { host: '127.0.0.1', port: silent.address().port },
    stop: async () => {
      silent.close();
    },
  };
}

describeTransportContract('in memory', async () => {
  const network = createMemoryNetwork();
  network.clock.runFreely();
  let nextHost = 1;
  return {
    createEndpoint: async ({ listen, ...options }) =>
      network.endpoint(listen ?? { host: `10.0.0.${nextHost++}`, port: 0 }, {
        certificate: randomBytes(64),
        ...options,
      }),
    deadAddress: { host: '10.9.9.9', port: 1 },
    stop: async () => network.clock.halt(),
  };
});

describeTransportContract('in memory, over a slow and lossy link', async () => {
  const network = createMemoryNetwork({ seed: 7, latencyMs: 20, jitterMs: 15, lossRate: 0.05 });
  network.clock.runFreely();
  let nextHost = 1;
  return {
    createEndpoint: async ({ listen, ...options }) =>
      network.endpoint(listen ?? { host: `10.0.0.${nextHost++}`, port: 0 }, {
        certificate: randomBytes(64),
        ...options,
      }),
    isReordering: true,
    deadAddress: { host: '10.9.9.9', port: 1 },
    stop: async () => network.clock.halt(),
  };
});
