import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ALPN } from '../../packages/daemon/src/core/wire/frame-types.js';
import { createConnectionId } from '../../packages/quic/src/driver/connection-id.js';
import { DEFAULT_ADMISSION } from '../../packages/quic/src/driver/options.js';
import { LOCAL_HOST_PORT } from '../../packages/quic/src/driver/path/address.js';
import { quiche } from '../../packages/quic/src/driver/quiche-binding.js';
import { buildQuicheConfig } from '../../packages/quic/src/driver/tls-config.js';
import { createSelfSignedCredentials } from '../../packages/quic/src/testing/index.js';
import { fileSync } from '../../packages/quic/src/transport-profile.js';
import { expectWithstands, useAttackStage } from './attack-stage.js';
import { DatagramSockets } from './datagram-sockets.js';
import { InitialForger } from './initial-packet.js';
import { RawPeer } from './raw-peer.js';

const stage = useAttackStage();
const ATTACK_MS = 1_500;
/** Strangers with addresses of their own, as far as one machine has them. */
const HOSTS = Array.from({ length: 20 }, (_, n) => `127.0.0.${n + 2}`);

async function openSockets(count: number, hosts?: readonly string[]): Promise<DatagramSockets> {
  const sockets = await DatagramSockets.open(count, stage().victim.port, hosts);
  onTestFinished(() => sockets.close());
  return sockets;
}

/** First packets of connections that mean to go on, made beforehand: making them costs more than taking them. */
function makeHandshakes(count: number): Buffer[] {
  const config = buildQuicheConfig(createSelfSignedCredentials(), fileSync);
  config.setApplicationProtos([ALPN]);
  config.setMaxSendUdpPayloadSize(1_200);
  return Array.from({ length: count }, () => {
    const remote = { host: '127.0.0.1', port: 9 };
    const connection = quiche.Connection.connect(null, createConnectionId(), LOCAL_HOST_PORT, remote, config);
    const buffer = Buffer.alloc(1_200);
    const sent = connection.send(buffer);
    return buffer.subarray(0, sent?.[0] ?? 0);
  });
}

describe('strangers', () => {
  test('that flood CRYPTO frames before they are verified', async () => {
    const sockets = await openSockets(4);
    const forgers = Array.from({ length: 4 }, () => new InitialForger());
    await expectWithstands(stage(), 'CRYPTO flood', async () => {
      // A gap before all of it: whoever keeps it waits for the beginning for ever.
      await sockets.flood(ATTACK_MS, (n, socket) => {
        const forger = forgers[socket] ?? new InitialForger();
        return forger.cryptoPacket(10_000 + 1_100 * Math.floor(n / forgers.length));
      });
    });
    expect(sockets.answers, 'the daemon took them for packets of a handshake').toBeGreaterThan(0);
    // Whatever is looked at is answered. The rest is dropped unseen: quiche would keep it, without an end.
    expect(sockets.answers).toBeLessThanOrEqual(forgers.length * DEFAULT_ADMISSION.maxUnverifiedDatagrams);
  });

  test('that flood datagrams that are none of QUIC', async () => {
    const sockets = await openSockets(100, HOSTS);
    const packets = Array.from({ length: 200 }, (_, n) => randomBytes(1 + ((n * 37) % 1_400)));
    await expectWithstands(stage(), 'junk datagrams', () =>
      sockets.flood(ATTACK_MS, (n) => packets[n % packets.length] ?? Buffer.alloc(1)),
    );
  });

  test('that flood packets of connections that do not exist, and what looks like resets', async () => {
    const sockets = await openSockets(100, HOSTS);
    const packets = Array.from({ length: 200 }, () => {
      const packet = randomBytes(60);
      packet[0] = 0x40 | ((packet[0] ?? 0) & 0x3f);
      return packet;
    });
    const startedAtMs = performance.now();
    const sent = await expectWithstands(stage(), 'resets', () =>
      sockets.flood(ATTACK_MS, (n) => packets[n % packets.length] ?? Buffer.alloc(1)),
    );
    const lastedS = (performance.now() - startedAtMs) / 1_000;
    // A hundred at once and a hundred a second: however many came.
    expect(sent).toBeGreaterThan(1_000);
    expect(sockets.answers).toBeLessThanOrEqual(Math.ceil(100 * (1 + lastedS)));
  });

  test('that begin handshakes from many ports and addresses', async () => {
    const sockets = await openSockets(400, HOSTS);
    const first = makeHandshakes(2_000);
    await expectWithstands(stage(), 'handshake flood', () =>
      sockets.flood(ATTACK_MS, (n) => first[n % first.length] ?? Buffer.alloc(1)),
    );
  });

  test('that ask for versions that nobody speaks', async () => {
    const sockets = await openSockets(100, HOSTS);
    const packet = Buffer.concat([Buffer.from([0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8]), randomBytes(1_250)]);
    await expectWithstands(stage(), 'version flood', () => sockets.flood(ATTACK_MS, () => packet));
  });

  test('that finish their handshakes and are not paired', async () => {
    const { port } = stage().victim;
    const credentials = createSelfSignedCredentials();
    let refused = 0;
    await expectWithstands(stage(), 'unpaired handshakes', async () => {
      const end = performance.now() + ATTACK_MS;
      while (performance.now() < end) {
        const peers = await Promise.allSettled(
          Array.from({ length: 8 }, () => RawPeer.connect({ port, credentials, alpn: ALPN })),
        );
        for (const peer of peers) {
          if (peer.status === 'fulfilled') peer.value.end();
          refused++;
        }
      }
    });
    expect(refused).toBeGreaterThan(0);
  });
});
