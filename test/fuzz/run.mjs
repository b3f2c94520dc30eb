// Fuzzes everything that reads what peers send: cutting streams into frames, decoding payloads, receiving an index, and the
// handshake.
//   npm run fuzz                                       1,000,000 inputs, with a seed of its own
//   npm run fuzz -- --inputs 10000000 --seed 7         that many, and the same ones each time
//   npm run fuzz -- --target NAME                      one target
// Prints the seed, the progress, the slowest input and what memory grew by. Ends with 1 when anything failed; failing
// inputs are kept in test/fuzz/failures, where `npm test` and the next run replay them first. A failed round runs again by
//   npm run fuzz -- --target NAME --seed SEED --inputs 2000
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createViteServer } from 'vitest/node';

/** Counted in ticks of the supervisor, so that a machine that was suspended is no hang. */
const HANG_TICKS = 60;
const TICK_MS = 1_000;
const PRINT_EVERY_MS = 10_000;
/** Everything that a campaign may take, the program itself included. */
const HEAP_MIB = 256;

function readOrder() {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() & 0x7fffffff) },
      target: { type: 'string' },
    },
  });
  const order = { inputs: Number(values.inputs), seed: Number(values.seed), target: values.target };
  if (!Number.isInteger(order.inputs) || order.inputs < 1 || !Number.isInteger(order.seed)) {
    console.error('fuzz: --inputs and --seed are whole numbers.');
    process.exit(2);
  }
  return order;
}

/** In the child: loads the TypeScript as the test runner does, and carries out the order. */
async function carryOut(order) {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const server = await createViteServer({
    root,
    configFile: false,
    logLevel: 'error',
    appType: 'custom',
    server: { middlewareMode: true, hmr: false, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
  });
  try {
    const { runOrder } = await server.ssrLoadModule('/test/fuzz/fuzz-process.ts');
    // An input that hangs blocks this process: each report is on its way before the round begins.
    process.exitCode = runOrder(order, (report) => process.send(report)) ? 0 : 1;
  } catch (error) {
    console.error(`fuzz: ${error?.stack ?? error}`);
    process.exitCode = 1;
  } finally {
    await server.close();
    process.disconnect();
  }
}

/** In the parent: shows how it goes, and ends the child when a round does not. */
function supervise(order) {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(`fuzz: ${order.inputs} inputs, seed ${order.seed}`);
  const child = fork(fileURLToPath(import.meta.url), ['--carry-out', JSON.stringify(order)], {
    execArgv: ['--expose-gc', `--max-old-space-size=${HEAP_MIB}`],
  });
  let round;
  let quietTicks = 0;
  let isHung = false;
  let printedAt = startedAt;
  const ticker = setInterval(() => {
    quietTicks += 1;
    if (quietTicks < HANG_TICKS) return;
    isHung = true;
    console.error(`fuzz: HANGS in a round of ${round?.target ?? 'the start'}, seed ${round?.seed}`);
    child.kill('SIGKILL');
  }, TICK_MS);
  child.on('message', (report) => {
    quietTicks = 0;
    if (report.event === 'round') {
      round = report;
      if (performance.now() - printedAt < PRINT_EVERY_MS) return;
      printedAt = performance.now();
      console.log(`fuzz: ${report.inputsDone} inputs in ${seconds()} s`);
    } else print(report, seconds());
  });
  child.on('exit', (code, signal) => {
    clearInterval(ticker);
    if (code === null && !isHung)
      console.error(`fuzz: ended by ${signal} in ${round?.target}, seed ${round?.seed}`);
    process.exitCode = code ?? 1;
  });
}

function print(report, seconds) {
  if (report.event === 'replayed') {
    console.log(`fuzz: ${report.count} inputs that failed once replayed, ${report.failed.length} fail`);
    for (const failed of report.failed) console.error(`fuzz: FAILED ${failed}`);
  } else if (report.event === 'failure') {
    console.error(`fuzz: FAILED ${report.target}: ${report.error}`);
    console.error(`fuzz:   kept in ${report.file}`);
    console.error(
      `fuzz:   again: npm run fuzz -- --target ${report.target} --seed ${report.seed} --inputs 2000`,
    );
  } else {
    const { inputs, slowest, growthBytes } = report.result;
    const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
    console.log(
      `fuzz: ${inputs} inputs in ${seconds} s; slowest ${slowest.ms.toFixed(1)} ms (${slowest.target})`,
    );
    console.log(`fuzz: memory grew by ${mib(growthBytes)}; resident at most ${mib(report.peakBytes)}`);
  }
}

if (process.argv[2] === '--carry-out') await carryOut(JSON.parse(process.argv[3]));
else supervise(readOrder());
