/**
 * Gives back what comes in, on every stream that anybody opens.
 *
 *     node packages/quic/dist/examples/echo-server.js [port]
 */
import { type BidiStream, createQuicEndpoint } from '@landropic/quic';
import { createSelfSignedCredentials } from '@landropic/quic/testing';
import { acceptAnyone } from './two-endpoints.js';

const credentials = createSelfSignedCredentials();
const endpoint = await createQuicEndpoint({
  listen: { host: '127.0.0.1', port: Number(process.argv[2] ?? 0) },
  credentials,
  verifyPeer: acceptAnyone,
});

endpoint.onConnection((connection) => {
  console.log(`connected: ${connection.peer.key.slice(0, 8)}`);
  connection.onStream((stream) => {
    // A stream that breaks, or whose connection ends, is no reason to stop.
    if (stream.kind === 'bidi') echo(stream).catch((error: Error) => console.log(`broken: ${error.message}`));
  });
});
// Set last: from now on connections come in.
endpoint.setAcceptedProtocols(['echo/1']);
console.log(`listening: ${endpoint.localAddress.port} ${credentials.key}`);

async function echo(stream: BidiStream): Promise<void> {
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    // Waits while the client does not read: what we hold for it stays bounded.
    await stream.write(bytes);
  }
  await stream.finish();
}

process.once('SIGTERM', () => {
  void endpoint.close(6, 'shutting down');
});
