// One end of a transport benchmark, in a process of its own: both ends in one would share a thread. Started by ends.mjs,
// which calls one command after another by IPC: { id, command, arguments } is answered by { id, result } or { id, error }.
// Argument: options of the endpoint as JSON.
import { createSocket } from 'node:dgram';
import { createQuicEndpoint, fileSync, readFrames, SessionCache } from '../../packages/quic/dist/index.js';
import { certificateKey, createSelfSignedCredentials } from '../../packages/quic/dist/testing/index.js';
import { holdConnections, holdStreams } from './holding.mjs';
import { measures } from './measures.mjs';
import { nowMs } from './now.mjs';

const ALPN = 'bench/1';
/** A machine that stands still for a while must not end a long run. */
const STANDSTILL_MS = 300_000;
/** Ten thousand connections from one address are what a benchmark is for; a program would not let them in. */
const LIMITLESS = {
  maxHalfOpen: 4_096,
  maxHalfOpenPerAddress: 4_096,
  retryAboveHalfOpen: 4_096,
  maxConnections: 20_000,
  maxConnectionsPerAddress: 20_000,
  newConnectionsPerSecond: 1e5,
  newConnectionsBurst: 1e5,
  newConnectionsPerAddressPerSecond: 1e5,
  newConnectionsPerAddressBurst: 1e5,
  handshakeTimeoutMs: STANDSTILL_MS,
};

const SINK_BYTES = 64 * 1024;
const MESSAGE_BUFFERS = 64;
const profile = { ...fileSync, idleTimeoutMs: STANDSTILL_MS };

const { host, ...options } = JSON.parse(process.argv[2] ?? '{}');
const credentials = createSelfSignedCredentials();
const verifyPeer = (chain) => ({ accepted: true, identity: { key: certificateKey(chain[0]) } });
const endpoint = await createQuicEndpoint({
  listen: { host, port: 0 },
  credentials,
  verifyPeer,
  profile,
  admission: LIMITLESS,
  resumption: { protocols: [ALPN] },
  ...options,
});
const sessions = new SessionCache();
const echoSocket = createSocket('udp4');
const held = [];

/** What the accepting end does with a stream: its first byte says. */
const serve = {
  /** Reads everything, and says so by one byte. */
  s: async (stream) => {
    const into = Buffer.alloc(SINK_BYTES);
    while ((await stream.read(into)) !== null);
    await stream.write(Buffer.of(1));
  },
  /** Takes frames apart, and says how many there were. */
  f: async (stream) => {
    let count = 0;
    // A message is done with long before its buffer comes round again.
    const buffers = [];
    const allocate = (length) => {
      if (buffers[0]?.length !== length) buffers.length = 0;
      if (buffers.length < MESSAGE_BUFFERS) buffers.unshift(Buffer.alloc(length));
      else buffers.unshift(buffers.pop());
      return buffers[0];
    };
    for await (const _ of readFrames(stream, () => 1 << 20, undefined, { allocate })) count += 1;
    await stream.write(Buffer.from(String(count)));
  },
  /** Gives back what comes, as it comes. */
  e: async (stream) => {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
      await stream.write(bytes);
  },
};

endpoint.onConnection((connection) => {
  connection.onStream(async (stream) => {
    try {
      if (stream.kind === 'bidi') {
        const first = await stream.read(new Uint8Array(1));
        if (first !== null) await serve[String.fromCharCode(first[0])](stream);
        await stream.finish();
      } else {
        await answerEarlyStream(connection, stream);
      }
    } catch {
      // The other end has seen enough.
    }
  });
});

/** The first stream of a resumed connection is unidirectional: the answer is one that says when it came. */
async function answerEarlyStream(connection, stream) {
  await stream.read();
  const arrivedAtMs = nowMs();
  const answer = await connection.openUni();
  await answer.write(Buffer.from(String(arrivedAtMs)));
  await answer.finish();
  while ((await stream.read()) !== null);
}

function connect(remote, more = {}) {
  return endpoint.connect(remote, { alpn: ALPN, verifyPeer, handshakeTimeoutMs: STANDSTILL_MS, ...more });
}

async function listen() {
  endpoint.setAcceptedProtocols([ALPN]);
  echoSocket.on('message', (bytes, from) => echoSocket.send(bytes, from.port, from.address));
  await new Promise((resolve) => echoSocket.bind(0, host, resolve));
  return {
    remote: endpoint.localAddress,
    echo: { host, port: echoSocket.address().port },
    key: credentials.key,
    datagramIo: endpoint.stats().datagramIo,
  };
}

/** Resident memory once everything that can go is gone, in bytes. */
async function readMemory() {
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
    smallest = Math.min(smallest, process.memoryUsage.rss());
  }
  return { residentBytes: smallest, ...process.memoryUsage() };
}

const commands = {
  listen,
  /** CPU time of this process so far, in s. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return { userS: user / 1e6, systemS: system / 1e6 };
  },
  memory: readMemory,
  stats: () => endpoint.stats(),
  measure: (how, target, details) => measures[how]({ connect, sessions }, target, details),
  /** Keeps connections open until `release`. Returns how many answered, and in what time. */
  holdConnections: (target, details) => holdConnections({ connect, held }, target, details),
  holdStreams: (target, details) => holdStreams({ connect, held }, target, details),
  /** Every connection that is held answers once more. */
  askHeld: async () => {
    let answered = 0;
    for (const ask of held) if (await ask()) answered += 1;
    return answered;
  },
};

process.on('message', async ({ id, command, values }) => {
  if (command === 'stop') {
    process.disconnect();
    process.exit(0);
  }
  try {
    process.send({ id, result: await commands[command](...values) });
  } catch (error) {
    process.send({ id, error: error.stack ?? String(error) });
  }
});
// Whoever started this process is gone.
process.on('disconnect', () => process.exit(1));
// Ctrl-C reaches the whole group: the one who started this ends it.
process.on('SIGINT', () => {});
process.send({ id: 0, result: 'ready' });
