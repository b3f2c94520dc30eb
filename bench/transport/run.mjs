// Transport benchmarks between two processes on loopback. Prints one JSON object a line:
//   node bench/transport/run.mjs [--only NAME] [--rounds N]
// Every figure is the best of its rounds: others use the machine too, and only ever make a round slower.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ENDPOINT = fileURLToPath(new URL('./endpoint-process.mjs', import.meta.url));
const DEFAULT_ROUNDS = 3;

const BENCHES = [
  ...['dgram', 'native'].map((datagramIo) =>
    upload(
      `stream-1350-${datagramIo}`,
      { maxPacketBytes: 1_350, datagramIo },
      { streams: 1, totalBytes: 300e6, writeBytes: 65_536 },
    ),
  ),
  ...['dgram', 'native'].map((datagramIo) =>
    upload(
      `stream-loopback-mtu-${datagramIo}`,
      { datagramIo },
      { streams: 1, totalBytes: 600e6, writeBytes: 262_144 },
    ),
  ),
  upload('streams-100-loopback-mtu-dgram', {}, { streams: 100, totalBytes: 600e6, writeBytes: 262_144 }),
  {
    name: 'messages-1KiB-loopback-mtu-dgram',
    unit: '1/s',
    how: 'messages',
    options: { count: 200_000, sizeBytes: 1_024 },
  },
  {
    name: 'messages-64KiB-loopback-mtu-dgram',
    unit: '1/s',
    how: 'messages',
    options: { count: 8_000, sizeBytes: 65_536 },
  },
  {
    name: 'stream-first-byte-median',
    unit: 'ms',
    how: 'firstByte',
    serve: 'echo',
    isLowerBetter: true,
    options: { count: 1_000 },
  },
];

function upload(name, endpoint, options) {
  return { name, unit: 'MB/s', how: 'upload', endpoint, options };
}

/** Runs the benchmarks (all, or the one named by `only`) and gives each result to `emit`. */
export async function run(emit, { only, rounds = DEFAULT_ROUNDS } = {}) {
  for (const bench of BENCHES) {
    if (only !== undefined && only !== bench.name) continue;
    const values = await measure(bench, rounds);
    const best = bench.isLowerBetter ? Math.min(...values) : Math.max(...values);
    emit({ bench: bench.name, value: Number(best.toPrecision(4)), unit: bench.unit });
  }
}

async function measure(bench, rounds) {
  const source = fork(ENDPOINT, [JSON.stringify(bench.endpoint ?? {})]);
  const sink = fork(ENDPOINT, [JSON.stringify({ ...bench.endpoint, serve: bench.serve ?? 'sink' })]);
  try {
    const [, { address }] = await Promise.all([receive(source), receive(sink)]);
    const values = [];
    for (let round = 0; round < rounds; round++) {
      source.send({ what: 'measure', how: bench.how, remote: address, options: bench.options });
      values.push((await receive(source)).value);
    }
    return values;
  } finally {
    for (const child of [source, sink]) if (child.connected) child.send({ what: 'stop' });
  }
}

function receive(child) {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the benchmark's process ended with ${code}`)));
  });
}

function readOption(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rounds = Number(readOption('--rounds') ?? DEFAULT_ROUNDS);
  await run((result) => console.log(JSON.stringify(result)), { only: readOption('--only'), rounds });
}
