// Installs the pinned dependencies and builds every package; does neither when nothing changed since the last time.
// Plain JavaScript on purpose: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const quiet = process.argv.includes('--quiet');
const stampFile = join(root, 'node_modules', '.setup-stamp');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`landropic needs Node.js 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

function run(command, args, env = process.env) {
  // npx is a .cmd file on Windows, which only a shell starts; every argument here is a constant.
  const result = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  console.error(
    `setup: '${command} ${args.join(' ')}' failed${result.error ? `: ${result.error.message}` : ''}.`,
  );
  process.exit(1);
}

/** What decides whether an installation is still the right one: the lockfile, the manifests, and the Node ABI. */
function wantedStamp() {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}`);
  const manifests = ['crypto', 'quic', 'daemon', 'cli'].map((name) => `packages/${name}/package.json`);
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

function install() {
  const stamp = wantedStamp();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  if (quiet) console.log('Installing dependencies (the first time takes a minute or two)…');
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const env = { ...process.env };
  // Without a network to fetch headers from, better-sqlite3 compiles only against the headers beside this Node.
  const prefix = dirname(dirname(process.execPath));
  if (!env.npm_config_nodedir && existsSync(join(prefix, 'include', 'node', 'node_api.h'))) {
    env.npm_config_nodedir = prefix;
  }
  run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile'], env);
  writeFileSync(stampFile, stamp);
}

install();
if (quiet) console.log('Building…');
run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
