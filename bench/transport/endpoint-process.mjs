// One end of a transport benchmark, in a process of its own: both ends in one would share a thread.
// argv: role (source | sink), JSON options. Talks to its parent by IPC.
import { createQuicEndpoint } from '../../packages/quic/dist/index.js';
import { certificateKey, createSelfSignedCredentials } from '../../packages/quic/dist/testing/index.js';

const ALPN = 'bench/1';
const options = JSON.parse(process.argv[2] ?? '{}');
const verifyPeer = (chain) => ({ accepted: true, identity: { key: certificateKey(chain[0]) } });
const endpoint = await createQuicEndpoint({
  listen: { host: options.host ?? '127.0.0.1', port: 0 },
  credentials: createSelfSignedCredentials(),
  verifyPeer,
  datagramIo: options.datagramIo ?? 'auto',
  ...(options.maxPacketBytes === undefined ? {} : { maxPacketBytes: options.maxPacketBytes }),
});

const serve = {
  /** Reads everything, answers each stream with one byte at its end. */
  sink: async (stream) => {
    while ((await stream.read()) !== null);
    if (stream.kind === 'bidi') {
      await stream.write(new Uint8Array(1));
      await stream.finish();
    }
  },
  /** Gives back what it gets, as it comes. */
  echo: async (stream) => {
    for (;;) {
      const bytes = await stream.read();
      if (bytes === null) break;
      await stream.write(bytes);
    }
    await stream.finish();
  },
};

async function upload(connection, totalBytes, writeBytes) {
  const stream = await connection.openBidi();
  for (let sent = 0; sent < totalBytes; sent += writeBytes)
    await stream.write(Buffer.allocUnsafe(writeBytes));
  await stream.finish();
  while ((await stream.read()) !== null);
}

const measure = {
  async upload(connection, { streams, totalBytes, writeBytes }) {
    const startedAt = performance.now();
    const each = Math.ceil(totalBytes / streams);
    await Promise.all(Array.from({ length: streams }, () => upload(connection, each, writeBytes)));
    return totalBytes / 1e6 / ((performance.now() - startedAt) / 1e3);
  },
  async messages(connection, { count, sizeBytes }) {
    const stream = await connection.openBidi();
    const startedAt = performance.now();
    for (let i = 0; i < count; i++) await stream.write(Buffer.allocUnsafe(sizeBytes));
    await stream.finish();
    while ((await stream.read()) !== null);
    return count / ((performance.now() - startedAt) / 1e3);
  },
  async firstByte(connection, { count }) {
    const times = [];
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      const stream = await connection.openBidi();
      await stream.write(new Uint8Array(1));
      await stream.read();
      times.push(performance.now() - startedAt);
      await stream.finish();
      while ((await stream.read()) !== null);
    }
    return times.sort((x, y) => x - y)[Math.floor(count / 2)];
  },
};

endpoint.setAcceptedProtocols([ALPN]);
endpoint.onConnection((connection) => {
  connection.onStream((stream) => serve[options.serve ?? 'sink'](stream).catch(() => {}));
});
process.on('message', async (message) => {
  if (message.what === 'measure') {
    const connection = await endpoint.connect(message.remote, { alpn: ALPN, verifyPeer });
    const before = process.cpuUsage();
    const value = await measure[message.how](connection, message.options);
    const cpu = process.cpuUsage(before);
    process.send({ value, stats: connection.stats(), userMs: cpu.user / 1e3, systemMs: cpu.system / 1e3 });
    await connection.close(0, '');
  } else {
    await endpoint.close(0, '');
    process.disconnect();
  }
});
process.send({ address: endpoint.localAddress });
