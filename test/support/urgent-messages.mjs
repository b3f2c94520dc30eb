// One end of a connection on which urgent messages and background data compete, run as a process of its own:
//   urgent-messages.mjs listen <host>            prints its port
//   urgent-messages.mjs dial <host> <port>       prints one JSON object: ms from end to end, and how much had come by then
import { createQuicEndpoint, Priority, StreamReader } from '../../packages/quic/dist/index.js';
import { createSelfSignedCredentials } from '../../packages/quic/dist/testing/index.js';

const BULK_BYTES = 64 * 1024 * 1024;
const MESSAGES = 40;
const ANSWER_BYTES = 40;
const ALPN = 'urgent/1';
const verifyPeer = () => ({ accepted: true, identity: { key: 'anybody' } });
const [role, host, port] = process.argv.slice(2);

/** The same clock in all processes of a machine. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

const endpoint = await createQuicEndpoint({
  listen: { host: role === 'listen' ? host : '0.0.0.0', port: 0 },
  credentials: createSelfSignedCredentials(),
  verifyPeer,
});

if (role === 'listen') {
  endpoint.onConnection((connection) => {
    let received = 0;
    connection.onStream(async (stream) => {
      try {
        if (stream.kind === 'bidi') stream.setUrgency(Priority.critical);
        for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
          if (stream.kind === 'uni') received += bytes.length;
          // The answer to a message: when it came, and how much of the background data had come.
          else await stream.write(Buffer.from(`${nowMs()} ${received}`.padStart(ANSWER_BYTES)));
        }
      } catch {
        // The dialler has seen enough.
      }
    });
  });
  endpoint.setAcceptedProtocols([ALPN]);
  console.log(`listening: ${endpoint.localAddress.port}`);
} else {
  const connection = await endpoint.connect({ host, port: Number(port) }, { alpn: ALPN, verifyPeer });
  const bulk = await connection.openUni({ urgency: Priority.background });
  const urgent = await connection.openBidi({ urgency: Priority.critical });
  const reader = new StreamReader(urgent);
  bulk.write(new Uint8Array(BULK_BYTES)).catch(() => {});
  const readings = [];
  for (let i = 0; i < MESSAGES; i++) {
    const sentAtMs = nowMs();
    await urgent.write(Uint8Array.of(i));
    const answer = await reader.readExactly(ANSWER_BYTES, { signal: AbortSignal.timeout(30_000) });
    const [cameAtMs, receivedBytes] = Buffer.from(answer).toString().trim().split(' ').map(Number);
    readings.push({ ms: cameAtMs - sentAtMs, receivedBytes });
    // Spread over the transfer; the time between two is not what is measured.
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  console.log(JSON.stringify({ readings, bulkBytes: BULK_BYTES }));
  await endpoint.close(0, 'goodbye');
}
