import { createSelfSignedCredentials } from '../testing/index.js';
import { fileSync, type TransportProfile } from '../transport-profile.js';
import { createConnectionId } from './connection-id.js';
import { LOCAL_HOST_PORT } from './path/address.js';
import { type QuicheConnection, quiche } from './quiche-binding.js';
import { buildQuicheConfig } from './tls-config.js';

const CLIENT = { host: '127.0.0.1', port: 2 };
const SERVER = { host: '127.0.0.1', port: 3 };

/** Two connections of the binding itself, in one thread and without a socket: what quiche does, not what we make of it. */
export interface RawPair {
  readonly client: QuicheConnection;
  readonly server: QuicheConnection;
  /** Carries packets both ways until neither side has more. */
  exchange(): void;
}

export interface RawPairOptions {
  readonly profile?: Partial<TransportProfile>;
  readonly clientProtocols?: string[];
  readonly serverProtocols?: string[];
}

export function createRawPair(options: RawPairOptions = {}): RawPair {
  const profile = { ...fileSync, ...options.profile };
  const clientConfig = buildQuicheConfig(createSelfSignedCredentials(), profile);
  clientConfig.setApplicationProtos(options.clientProtocols ?? ['raw/1']);
  const serverConfig = buildQuicheConfig(createSelfSignedCredentials(), profile);
  serverConfig.setApplicationProtos(options.serverProtocols ?? ['raw/1']);
  const client = quiche.Connection.connect(null, createConnectionId(), LOCAL_HOST_PORT, SERVER, clientConfig);
  const server = quiche.Connection.accept(createConnectionId(), null, LOCAL_HOST_PORT, CLIENT, serverConfig);
  return {
    client,
    server,
    exchange: () => {
      let moved: number;
      do moved = carry(client, server, CLIENT) + carry(server, client, SERVER);
      while (moved > 0);
    },
  };
}

/** Returns how many packets went over. */
function carry(from: QuicheConnection, to: QuicheConnection, source: { host: string; port: number }): number {
  const buffer = Buffer.alloc(1_350);
  let count = 0;
  for (;;) {
    const result = from.send(buffer);
    if (result === null) return count;
    count += 1;
    try {
      to.recv(Buffer.from(buffer.subarray(0, result[0])), { from: source, to: LOCAL_HOST_PORT });
    } catch {
      // The receiver has noted it.
    }
  }
}
