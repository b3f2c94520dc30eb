// Runs every check of the project. `test` and `all` run the same: nothing is left out of `npm test`.
// `quick` leaves the tests out. Ends with the summary of the test runner, and with what failed, if anything did.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (...path) => join(root, 'node_modules', ...path);

const STATIC_CHECKS = [
  ['lint', [bin('@biomejs', 'biome', 'bin', 'biome'), 'lint', '--error-on-warnings', '.']],
  ['format', [bin('@biomejs', 'biome', 'bin', 'biome'), 'format', '.']],
  ['types', [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.check.json']],
  ['layers', [join(root, 'scripts', 'check-layers.mjs')]],
];
const TESTS = ['tests', [bin('vitest', 'vitest.mjs'), 'run']];

const mode = process.argv[2] ?? 'all';
if (!['test', 'all', 'quick'].includes(mode)) {
  console.error("check: say 'test', 'all' or 'quick'.");
  process.exit(2);
}

const failed = [];

function run([name, args]) {
  console.log(`\n── ${name}`);
  const startedAt = performance.now();
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const passed = result.status === 0;
  if (!passed) failed.push(name);
  return `${passed ? 'passed' : 'FAILED'}  ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`;
}

const results = STATIC_CHECKS.map(run);
console.log(`\n${results.join('\n')}`);
if (mode !== 'quick') run(TESTS);
if (failed.length > 0) {
  console.error(`\ncheck: failed: ${failed.join(', ')}`);
  process.exit(1);
}
