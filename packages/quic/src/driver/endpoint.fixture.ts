import { createSelfSignedCredentials } from '../testing/index.js';
import type { Connection, DialOptions, Endpoint, SocketAddress, VerifyPeer } from '../transport.js';
import { createQuicEndpoint } from './endpoint.js';
import type { QuicEndpointOptions } from './options.js';

export const ALPN = 'driver/1';
export const acceptAnyone: VerifyPeer = () => ({ accepted: true, identity: { key: 'peer' } });

const ANY_PORT = { host: '127.0.0.1', port: 0 };

/** Endpoints of one test, closed together. */
export class EndpointSet {
  readonly #endpoints: Endpoint[] = [];

  async create(options: Partial<QuicEndpointOptions> = {}): Promise<Endpoint> {
    const endpoint = await createQuicEndpoint({
      listen: ANY_PORT,
      credentials: createSelfSignedCredentials(),
      verifyPeer: acceptAnyone,
      ...options,
    });
    endpoint.setAcceptedProtocols([ALPN]);
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#endpoints.splice(0).map((endpoint) => endpoint.close(0, 'the test is over')));
  }
}

export function dial(
  from: Endpoint,
  to: SocketAddress,
  options: Partial<DialOptions> = {},
): Promise<Connection> {
  return from.connect(to, { alpn: ALPN, verifyPeer: acceptAnyone, ...options });
}

/** Makes an endpoint give back on every bidirectional stream what comes in on it. */
export function serveEcho(endpoint: Endpoint): void {
  endpoint.onConnection((connection) => {
    connection.onStream((stream) => {
      if (stream.kind !== 'bidi') return;
      void (async () => {
        for (;;) {
          const bytes = await stream.read();
          if (bytes === null) break;
          await stream.write(bytes);
        }
        await stream.finish();
      })().catch(() => {});
    });
  });
}

/** Sends these bytes on a stream of their own and resolves to how many came back. */
export async function echo(connection: Connection, sizeBytes: number): Promise<number> {
  const stream = await connection.openBidi();
  void stream.write(Buffer.alloc(sizeBytes, 7)).catch(() => {});
  void stream.finish().catch(() => {});
  let received = 0;
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) return received;
    received += bytes.length;
  }
}
