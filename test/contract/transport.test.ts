import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createQuicEndpoint } from '../../packages/quic/src/index.js';
import { createMemoryNetwork } from '../../packages/quic/src/memory/index.js';
import { createSelfSignedCredentials } from '../../packages/quic/src/testing/index.js';
import { describeTransportContract } from './transport-contract.js';

const ANY_PORT = { host: '127.0.0.1', port: 0 };

describeTransportContract('quiche over UDP', async () => {
  // A socket that takes packets and answers none, so that no other program gets its port.
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  return {
    createEndpoint: (options) =>
      createQuicEndpoint({ listen: ANY_PORT, credentials: createSelfSignedCredentials(), ...options }),
    deadAddress: { host: '127.0.0.1', port: silent.address().port },
    stop: async () => {
      silent.close();
    },
  };
});

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
