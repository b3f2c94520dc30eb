// Builds the native datagram I/O for this machine. Never fails an installation: without it, node:dgram carries the packets,
// and the endpoint's statistics say so. With --ship it puts the result where a published package looks first.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'udp_io.node');

const isShipping = process.argv.includes('--ship');

/** One that was made for another C library is as good as none. */
function loads(file) {
  try {
    createRequire(import.meta.url)(file);
    return true;
  } catch {
    return false;
  }
}

if (process.platform === 'linux' && (isShipping || !loads(prebuilt))) {
  // Package managers bring node-gyp along for install scripts, the one by its path, the other on PATH.
  const byPath = process.env.npm_config_node_gyp;
  const [command, ...args] = byPath === undefined ? ['node-gyp'] : [process.execPath, byPath];
  const result = spawnSync(command, [...args, 'rebuild'], { cwd: root, encoding: 'utf8' });
  if (result.status === 0 && isShipping) {
    mkdirSync(dirname(prebuilt), { recursive: true });
    copyFileSync(join(root, 'build', 'Release', 'udp_io.node'), prebuilt);
  }
  if (result.status !== 0) {
    console.log('The native datagram I/O could not be built; node:dgram will be used, which is slower.');
    const why = (result.error?.message ?? result.stderr ?? '').trim().split('\n').slice(-5).join('\n');
    if (why !== '') console.log(why);
  }
}
