// Runs histories of simulated devices and judges the promises of the sync model.
//   npm run simulate                                  5,000 histories, with a seed of their own
//   npm run simulate -- --histories 100000 --seed 7   that many, and the same ones each time
//   npm run simulate -- --histories 1 --seed 1234     one of them again, with all that happened in it
// Prints the seed, every failing history with its own seed, and at last what was covered and how fast. Ends with 1 when a
// history failed that is not in known-failures.ts.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createViteServer } from 'vitest/node';

const PRINT_EVERY_MS = 10_000;
const SHOWN_FAILURES = 5;
/** A history takes milliseconds. */
const HANG_MS = 60_000;

function readOrder() {
  const { values } = parseArgs({
    options: {
      histories: { type: 'string', default: '5000' },
      seed: { type: 'string', default: String(Date.now() & 0x3fffffff) },
    },
  });
  const order = { histories: Number(values.histories), seed: Number(values.seed) };
  if (!Number.isInteger(order.histories) || order.histories < 1 || !Number.isInteger(order.seed)) {
    console.error('simulate: --histories and --seed are whole numbers.');
    process.exit(2);
  }
  return order;
}

async function run(order) {
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
    const { runCampaign, describeFailure } = await server.ssrLoadModule('/test/simulation/campaign.ts');
    console.log(`simulate: ${order.histories} histories, seed ${order.seed}`);
    const startedAt = performance.now();
    let printedAt = startedAt;
    let shown = 0;
    let current = { seed: order.seed, since: startedAt };
    const watch = setInterval(() => {
      if (performance.now() - current.since < HANG_MS) return;
      console.error(`simulate: seed ${current.seed} HANGS`);
      process.exit(1);
    }, 1_000);
    const { coverage, failures } = await runCampaign(order, {
      begins: (seed) => {
        current = { seed, since: performance.now() };
      },
      failed: (failure) => {
        if (failure.known !== undefined) return;
        if (shown++ < SHOWN_FAILURES) console.error(describeFailure(failure));
        else console.error(`seed ${failure.seed} FAILED: ${failure.violations[0]?.promise}`);
      },
      done: (histories) => {
        if (performance.now() - printedAt < PRINT_EVERY_MS) return;
        printedAt = performance.now();
        console.log(`simulate: ${histories} histories`);
      },
    });
    clearInterval(watch);
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const line of coverage.lines()) console.log(line);
    const news = failures.filter(({ known }) => known === undefined);
    const rate = (order.histories / seconds).toFixed(0);
    console.log(`simulate: ${order.histories} histories in ${seconds.toFixed(1)} s (${rate} a second)`);
    console.log(`simulate: ${news.length} failed, ${failures.length - news.length} more fail as known`);
    if (news.length > 0) console.log(`simulate: again, each: npm run simulate -- --histories 1 --seed SEED`);
    process.exitCode = news.length > 0 ? 1 : 0;
  } finally {
    await server.close();
  }
}

await run(readOrder());
