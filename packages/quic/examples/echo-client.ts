/**
 * Sends lines to the echo server and prints what comes back. Port and key are what the server prints.
 *
 *     node packages/quic/dist/examples/echo-client.js <port> <key> <line>...
 */
import { createQuicEndpoint, splitStream } from '@landropic/quic';
import { createSelfSignedCredentials } from '@landropic/quic/testing';
import { acceptAnyone, acceptOnly } from './two-endpoints.js';

const [port = '', serverKey = '', ...lines] = process.argv.slice(2);

const endpoint = await createQuicEndpoint({
  listen: { host: '127.0.0.1', port: 0 },
  credentials: createSelfSignedCredentials(),
  verifyPeer: acceptAnyone,
});
try {
  const connection = await endpoint.connect(
    { host: '127.0.0.1', port: Number(port) },
    { alpn: 'echo/1', verifyPeer: acceptOnly(serverKey), signal: AbortSignal.timeout(5_000) },
  );
  const { reader, writer } = splitStream(await connection.openBidi());
  for (const line of lines) {
    await writer.write(Buffer.from(line));
    const answer = await reader.readExactly(Buffer.byteLength(line), { signal: AbortSignal.timeout(5_000) });
    console.log(`echo: ${Buffer.from(answer).toString()}`);
  }
  await writer.finish();
  // The server ends its side too: the stream is over, and its credit comes back.
  if ((await reader.read()) === null) console.log('the stream ended');
} finally {
  await endpoint.close(0, 'goodbye');
}
