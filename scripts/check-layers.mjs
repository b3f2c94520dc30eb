// Checks the dependency rule of ARCHITECTURE.md, and first that the check itself still sees violations: a checker that
// reads no modules, or resolves no imports, would pass silently.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const configFile = join(root, '.dependency-cruiser.cjs');
const cruiser = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
const PACKAGES = ['crypto', 'quic', 'daemon', 'cli'];

/** One violation per rule: rule → files that break it, and nothing else. */
const PLANTED = {
  'core-is-pure': { 'packages/daemon/src/core/impure.ts': "import 'node:fs';" },
  'adapter-index-stands-alone': { 'packages/daemon/src/index/a.ts': "import '../folder/target.js';" },
  'adapter-folder-stands-alone': { 'packages/daemon/src/folder/a.ts': "import '../index/target.js';" },
  'adapter-transfer-stands-alone': { 'packages/daemon/src/transfer/a.ts': "import '../folder/target.js';" },
  'adapter-discovery-stands-alone': { 'packages/daemon/src/discovery/a.ts': "import '../trust/target.js';" },
  'adapter-trust-stands-alone': { 'packages/daemon/src/trust/a.ts': "import '../sync/target.js';" },
  'adapter-local-api-stands-alone': { 'packages/daemon/src/local-api/a.ts': "import '../sync/target.js';" },
  'sync-knows-ports-only': {
    'packages/daemon/src/sync/a.ts':
      "import type { Target } from '../folder/target.js';\nexport type A = Target;",
  },
  'config-and-observability-are-leaves': {
    'packages/daemon/src/config/a.ts': "import '../trust/target.js';",
  },
  'nothing-imports-the-root': { 'packages/daemon/src/config/b.ts': "import '../daemon.js';" },
  'quic-knows-no-other-package': { 'packages/quic/src/a.ts': "import '@landropic/crypto';" },
  'transports-know-nothing-above-them': { 'packages/quic/src/driver/a.ts': "import '../pool/target.js';" },
  'crypto-knows-no-other-package': { 'packages/crypto/src/a.ts': "import '@landropic/quic';" },
  'nothing-imports-the-cli': { 'packages/daemon/src/trust/b.ts': "import '@landropic/cli';" },
  'cli-talks-through-the-local-api': { 'packages/cli/src/a.ts': "import '@landropic/crypto';" },
  'cli-loads-the-daemon-in-one-place': { 'packages/cli/src/b.ts': "import '@landropic/daemon';" },
  'sole-user-of-matrixai-quic': { 'packages/daemon/src/sync/b.ts': "import '@matrixai/quic/native';" },
  'sole-user-of-node-forge': { 'packages/daemon/src/trust/c.ts': "import 'node-forge';" },
  'sole-user-of-better-sqlite3': { 'packages/daemon/src/trust/d.ts': "import 'better-sqlite3';" },
  'sole-user-of-chokidar': { 'packages/daemon/src/discovery/b.ts': "import 'chokidar';" },
  'sole-user-of-bonjour-service': { 'packages/daemon/src/trust/e.ts': "import 'bonjour-service';" },
  'no-cycles': {
    'packages/daemon/src/trust/x.ts': "import './y.js';",
    'packages/daemon/src/trust/y.ts': "import './x.js';",
  },
};

// What the planted imports point at: files that break nothing themselves.
const TARGETS = [
  ...['folder', 'index', 'trust', 'sync'].map((name) => `packages/daemon/src/${name}/target.ts`),
  'packages/quic/src/pool/target.ts',
];

// Sources of time, randomness and effects that need no import.
const IMPURE_GLOBALS =
  /\b(Date\.now|new Date\(\)|Math\.random|performance\.|setTimeout|setInterval|setImmediate|process\.|console\.|fetch\(|globalThis|getRandomValues|randomUUID)/;

function cruise(cwd) {
  const packages = PACKAGES.map((name) => `packages/${name}/src`);
  const result = spawnSync(
    process.execPath,
    [cruiser, '--config', configFile, '--output-type', 'json', ...packages],
    {
      cwd,
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    },
  );
  if (result.stdout === '') fail(`dependency-cruiser did not run: ${result.stderr}`);
  return JSON.parse(result.stdout);
}

function selfTest() {
  const directory = mkdtempSync(join(tmpdir(), 'landropic-layers-'));
  try {
    const files = Object.assign({}, ...Object.values(PLANTED));
    for (const target of TARGETS) files[target] = 'export type Target = string;';
    files['packages/daemon/src/daemon.ts'] = 'export const daemon = 1;';
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), `${text}\n`);
    }
    const caught = new Set(
      cruise(directory).summary.violations.map((violation) => `${violation.rule.name} ${violation.from}`),
    );
    const { forbidden } = createRequire(import.meta.url)(configFile);
    for (const { name } of forbidden) {
      const planted = Object.keys(PLANTED[name] ?? {});
      if (planted.length === 0) fail(`no violation is planted for the rule '${name}'`);
      if (!planted.some((path) => caught.has(`${name} ${path}`)))
        fail(`a planted violation of '${name}' was not caught`);
    }
    return forbidden.length;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Uses of the clock, of randomness and of the process in core/, as `file:line: text`. */
function impureLines() {
  const core = join(root, 'packages', 'daemon', 'src', 'core');
  const files = readdirSync(core, { recursive: true }).filter(
    (file) => /\.ts$/.test(file) && !/\.test\.ts$/.test(file),
  );
  return files.flatMap((file) =>
    readFileSync(join(core, file), 'utf8')
      .split('\n')
      .map((line, index) => ({ line, number: index + 1 }))
      .filter(({ line }) => !/^\s*(\/\/|\/?\*)/.test(line) && IMPURE_GLOBALS.test(line))
      .map(({ line, number }) => `packages/daemon/src/core/${file}:${number}: ${line.trim()}`),
  );
}

function fail(message) {
  console.error(`layers: ${message}`);
  process.exit(1);
}

const rules = selfTest();
const { modules, summary } = cruise(root);
for (const name of PACKAGES) {
  const seen = modules.filter(({ source }) => source.startsWith(`packages/${name}/src/`)).length;
  if (seen === 0) fail(`dependency-cruiser saw no module of packages/${name}`);
}
const unresolved = modules.flatMap(({ source, dependencies }) =>
  dependencies
    .filter((dependency) => dependency.couldNotResolve && /^[./]|^@landropic\//.test(dependency.module))
    .map((dependency) => `${source} imports ${dependency.module}, which is not there (build first)`),
);
const problems = [
  ...summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
  ...impureLines().map((line) => `core-is-pure: ${line}`),
  ...unresolved,
];
if (problems.length > 0)
  fail(`${problems.length} violations\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
console.log(
  `layers: ${modules.length} modules, ${rules} rules, each seen to catch a planted violation; no violation.`,
);
