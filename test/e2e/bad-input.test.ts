import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free-port.js';
import { mountReadOnly } from '../support/mounts.js';
import { invite, pairDevices, shareFolder } from '../support/pair-and-share.js';
import { type CliResult, runCli, spawnCli } from '../support/run-cli.js';
import { testDirectory } from '../support/test-directory.js';
import { untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
/** Nothing here may listen on, or speak to, a real network, not even where it should have failed. */
const LOOPBACK = ['--listen', '127.0.0.1:0', '--no-discovery'];
const RUN = ['daemon', 'run', ...LOOPBACK];
const isRoot = process.getuid?.() === 0;

/** What every failure owes a person: this exit code, nothing on stdout, a short text, and no stack trace. */
function expectFailure(result: CliResult, exitCode: number, ...texts: readonly (string | RegExp)[]): void {
  expect(result).toMatchObject({ exitCode, stdout: '' });
  expect(result.stderr).toMatch(/^landropic: /);
  expect(result.stderr).not.toMatch(/^\s+at .+:\d+/m);
  expect(result.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
  for (const text of texts) expect(result.stderr).toMatch(text);
}

describe('commands', () => {
  test('an unknown command or flag exits 2 and proposes what was meant', async () => {
    const home = testDirectory();
    expectFailure(await runCli(['stauts'], { home }), 2, /status/);
    expectFailure(await runCli(['status', '--wacth'], { home }), 2, /--watch/);
  });

  test.each([
    ['status'],
    ['devices'],
    ['folder', 'list'],
    ['wait'],
    ['pair', 'invite'],
    ['daemon', 'status'],
  ])('without a daemon, %s %s exits 3 and says how to start it', async (...args) => {
    const home = testDirectory();
    const given = args.filter((arg) => arg !== undefined);
    expectFailure(await runCli(given, { home }), 3, /not running/, /landropic daemon start/);
  });

  test('a reader that goes away ends the command quietly', async () => {
    const home = testDirectory();
    const child = spawnCli(['--help'], { home });
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (bytes) => {
      stderr += String(bytes);
    });
    const [exitCode] = await once(child, 'close');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});

describe('folder add', () => {
  test('a path that is missing, not a directory, or inside another shared folder', async () => {
    const device = await newDevice('device');
    const shared = device.makeFolder('shared');
    mkdirSync(join(shared, 'inside'));
    writeFileSync(join(device.directory, 'file'), '');
    await device.ok(['folder', 'add', shared, '--id', 'f']);
    const add = (path: string) => device.cli(['folder', 'add', path]);
    expectFailure(await add(join(device.directory, 'missing')), 5, 'missing');
    expectFailure(await add(join(device.directory, 'file')), 5, /not a directory/i);
    expectFailure(await add(join(shared, 'inside')), 5, 'shared');
    expectFailure(await add(shared), 5, 'shared');
    expectFailure(await add(device.directory), 5, 'shared');
    symlinkSync(join(shared, 'inside'), join(device.directory, 'way-around'));
    expectFailure(await add(join(device.directory, 'way-around')), 5);
    expectFailure(await add(device.home), 5);
    expect((await device.json('folders.list', ['folder', 'list'])).folders.map(({ id }) => id)).toEqual([
      'f',
    ]);
  });

  test('a path that is not writable', async ({ skip }) => {
    skip(isRoot, 'root may write everywhere');
    const device = await newDevice('device');
    const path = device.makeFolder('read-only');
    chmodSync(path, 0o500);
    expectFailure(await device.cli(['folder', 'add', path]), 5, 'read-only');
  });

  test('a path on a file system that is not writable', async ({ skip }) => {
    const mount = mountReadOnly();
    skip(mount === undefined, 'only root can mount');
    const device = await newDevice('device');
    expectFailure(await device.cli(['folder', 'add', mount ?? '']), 5, /writ|read-only/i);
  });

  test('an ID that is taken or cannot be one, and a device that is not paired', async () => {
    const device = await newDevice('device');
    const [first, second] = [device.makeFolder('first'), device.makeFolder('second')];
    await device.ok(['folder', 'add', first, '--id', 'f']);
    expectFailure(await device.cli(['folder', 'add', second, '--id', 'f']), 1, 'shared', first);
    expectFailure(await device.cli(['folder', 'add', second, '--id', 'a/b']), 2, 'a/b');
    expectFailure(await device.cli(['folder', 'add', second, '--share', 'nobody']), 4, 'nobody');
    expect((await device.json('folders.list', ['folder', 'list'])).folders).toHaveLength(1);
  });
});

describe('folders and devices that are not there', () => {
  test('are named', async () => {
    const device = await newDevice('device');
    expectFailure(await device.cli(['folder', 'remove', 'no-folder']), 1, 'no-folder');
    expectFailure(await device.cli(['folder', 'rescan', 'no-folder']), 1, 'no-folder');
    expectFailure(await device.cli(['folder', 'accept', 'no-offer', device.makeFolder('x')]), 1, 'no-offer');
    expectFailure(await device.cli(['unpair', 'nobody']), 4, 'nobody');
    expectFailure(await device.cli(['ping', 'nobody']), 4, 'nobody');
    expectFailure(await device.cli(['config', 'get', 'no.such.key']), 2, 'no.such.key');
    expectFailure(await device.cli(['config', 'set', 'no.such.key', '1']), 2, 'no.such.key');
  });

  test('a mistyped device ID is told from one that is not paired', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    await pairDevices(a, b);
    const last = b.id.at(-1) === 'A' ? 'B' : 'A';
    const mistyped = await a.cli(['ping', b.id.slice(0, -1) + last]);
    expect([2, 4]).toContain(mistyped.exitCode);
    expect(mistyped.stderr).toMatch(/mistyped|check/i);
    expect((await a.cli(['ping', b.id])).exitCode).toBe(0);
    expect((await a.cli(['ping', b.id.slice(0, 7)])).exitCode).toBe(0);
    expect((await a.cli(['ping', b.id.toLowerCase()])).exitCode).toBe(0);
  });

  test('a peer that is off cannot be pinged, and a ticket of one cannot be redeemed', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const ticket = await invite(b);
    await b.stop();
    expectFailure(await a.cli(['pair', 'accept'], { input: ticket }), 3);
    await b.start();
    await pairDevices(a, b);
    await b.stop();
    expectFailure(await a.cli(['ping', 'b']), 3, 'b');
  });
});

describe('the home', () => {
  test('takes one daemon', async () => {
    const device = await newDevice('device');
    expectFailure(await device.cli(RUN), 1, 'already', String(device.pid));
    expectFailure(await device.cli(['daemon', 'start', ...LOOPBACK]), 1, 'already');
    expect((await device.cli(['daemon', 'status'])).exitCode).toBe(0);
  });

  test('of a daemon that was killed is taken over', async () => {
    const device = await newDevice('device');
    await device.kill9();
    expectFailure(await device.cli(['status']), 3);
    await device.start();
    expect((await device.cli(['status'])).exitCode).toBe(0);
  });

  test('that cannot be written is named', async () => {
    const directory = testDirectory();
    writeFileSync(join(directory, 'file'), '');
    const home = join(directory, 'file', 'home');
    expectFailure(await runCli(['init'], { home }), 5, home, 'LANDROPIC_HOME');
    expectFailure(await runCli(['daemon', 'start', ...LOOPBACK], { home }), 5, /file/);
    expectFailure(await runCli(RUN, { home }), 5, home);
  });

  test.each([
    ['cut short', '{"name": "dev'],
    ['with a value that cannot be', '{"listen": "nowhere"}'],
    ['that is not an object', '[]'],
  ])('with a configuration %s is not started, and the file is named', async (_what, text) => {
    const device = await newDevice('device');
    await device.stop();
    const file = join(device.home, 'config.json');
    writeFileSync(file, text);
    expectFailure(await device.cli(RUN), 2, 'config.json');
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('with a damaged, missing or exposed key is not started, and no other key is made', async () => {
    const device = await newDevice('device');
    await device.ok(['folder', 'add', device.makeFolder('shared')]);
    await device.stop();
    const file = join(device.home, 'key.pem');
    const key = readFileSync(file);
    const run = () => device.cli(RUN);
    writeFileSync(file, key.subarray(0, 100), { mode: 0o600 });
    expectFailure(await run(), 2, 'key.pem');
    expectFailure(await device.cli(['id']), 2, 'key.pem');
    writeFileSync(file, key);
    chmodSync(file, 0o644);
    expectFailure(await run(), 2, 'key.pem', /chmod 600|0600|only/);
    chmodSync(file, 0o600);
    expect((await device.ok(['id'])).trim()).toBe(device.id);
    renameSync(file, `${file}.away`);
    expectFailure(await run(), 2, 'key.pem');
    expect(readdirSync(device.home)).not.toContain('key.pem');
  });

  test('without an identity says to make one', async () => {
    const home = join(testDirectory(), 'new');
    expectFailure(await runCli(['id'], { home }), 2, 'landropic init');
  });
});

describe('the port', () => {
  test('that is in use is named, in the foreground and in the background', async () => {
    const device = await newDevice('device');
    await device.stop();
    const other = createSocket('udp4');
    onTestFinished(() => void other.close());
    other.bind(0, '127.0.0.1');
    await once(other, 'listening');
    const address = `127.0.0.1:${other.address().port}`;
    const args = ['--listen', address, '--no-discovery'];
    expectFailure(await device.cli(['daemon', 'run', ...args]), 1, address, /use/);
    expectFailure(await device.cli(['daemon', 'start', ...args]), 1, address, /use/);
    expectFailure(await device.cli(['daemon', 'status']), 3);
  });

  test.each(['nowhere', '127.0.0.1', '127.0.0.1:99999', 'example.org:1', ':'])(
    "that cannot be one ('%s') is wrong usage",
    async (listen) => {
      const device = await newDevice('device');
      await device.stop();
      expectFailure(await device.cli(['daemon', 'run', '--no-discovery', '--listen', listen]), 2, listen);
    },
  );
});

describe('in the background', () => {
  test('the daemon starts, says that it runs, restarts and stops', async () => {
    const directory = testDirectory();
    const home = join(directory, 'home');
    const listen = ['--listen', `127.0.0.1:${await freePort()}`, '--no-discovery'];
    const run = (...args: string[]) => runCli([...args, '--json'], { home });
    const json = async (...args: string[]) => JSON.parse((await run(...args)).stdout) as { pid: number };
    onTestFinished(async () => {
      await run('daemon', 'stop');
    });
    expect((await run('init')).exitCode).toBe(0);
    const started = await json('daemon', 'start', ...listen);
    expect((await json('daemon', 'status')).pid).toBe(started.pid);
    const restarted = await json('daemon', 'restart', ...listen);
    expect(restarted.pid).not.toBe(started.pid);
    expect((await json('daemon', 'stop')).pid).toBe(restarted.pid);
    expect(() => process.kill(restarted.pid, 0)).toThrow();
    expect((await run('daemon', 'status')).exitCode).toBe(3);
    expect((await run('daemon', 'stop')).exitCode).toBe(3);
    expect(readdirSync(home)).toContain('daemon.log');
  });
});

describe('a shared folder that goes away while the daemon runs', () => {
  test('is said to be missing, deletes nothing on the other device, and comes back', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
    for (let i = 0; i < 5; i++) writeFileSync(join(left, `file-${i}`), `content ${i}`);
    await pairDevices(a, b);
    await shareFolder(a, left, b, right);
    await untilSame(left, right);
    renameSync(right, `${right}-away`);
    await b.cli(['folder', 'rescan', 'f']);
    await until(async () => (await b.folder('f')).state === 'error', {
      what: 'b says that its folder is gone',
    });
    expect(readdirSync(left).filter((name) => name !== '.landropic')).toHaveLength(5);
    // Waiting cannot help, so it does not: exit code 1 long before the timeout.
    const startedAt = performance.now();
    expectFailure(await b.cli(['wait', '--folder', 'f', '--timeout', '30s']), 1, 'f');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    renameSync(`${right}-away`, right);
    await b.cli(['folder', 'rescan', 'f']);
    writeFileSync(join(left, 'later'), 'later');
    expect((await untilSame(left, right)).size).toBe(6);
    rmSync(join(right, 'later'));
    await untilSame(left, right);
  });
});
