import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError, type StatusReport } from '../../daemon/src/local-api/schema.js';
import { type Handlers, type LocalApi, startLocalApi } from '../../daemon/src/local-api/server.js';
import { buildProgram, main } from './main.js';
import { FakeOutput, fakeInput } from './testing/fake-terminal.js';

const places = vi.hoisted(() => ({ home: '', socketPath: '', logFile: '' }));
vi.mock('./home.js', () => ({ locateHome: () => places }));

let api: LocalApi | undefined;

beforeEach(() => {
  places.home = mkdtempSync(join(tmpdir(), 'landropic-cli-'));
  places.socketPath =
    process.platform === 'win32' ? `\\\\.\\pipe\\${places.home}` : join(places.home, 'run', 'daemon.sock');
});

afterEach(async () => {
  await api?.stop();
  api = undefined;
  rmSync(places.home, { recursive: true, force: true });
});

async function daemonWith(handlers: Partial<Handlers>): Promise<void> {
  const log = { warn: () => {}, error: () => {} };
  api = await startLocalApi({ socketPath: places.socketPath, handlers: handlers as Handlers, log });
}

interface RunOptions {
  readonly isTTY?: boolean;
  /** Somebody sits there who can be asked. */
  readonly isInputTTY?: boolean;
  readonly input?: string;
  readonly signal?: AbortSignal;
}

async function run(args: readonly string[], options: RunOptions = {}) {
  const stdout = new FakeOutput(options);
  const stderr = new FakeOutput(options);
  const exitCode = await main(args, {
    stdout: stdout as never,
    stderr: stderr as never,
    stdin: Object.assign(fakeInput(options.input ?? ''), { isTTY: options.isInputTTY }) as never,
    signal: options.signal ?? new AbortController().signal,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

const desktop = {
  id: 'DESKTOP-BBBBBBB-CCCCCCC',
  name: 'desktop',
  connected: true,
  presence: 'online' as const,
  addresses: ['192.168.1.5:22100'],
  connections: 1,
  pool: null,
  rttMs: 0.41,
  bytesIn: 10,
  bytesOut: 20,
  lastSeen: '2026-01-01T00:00:00.000Z',
  problem: null,
};

const status: StatusReport = {
  device: { id: 'AAAAAAA-BBBBBBB-CCCCCCC', name: 'laptop' },
  version: '0.1.0',
  uptimeSeconds: 75,
  pid: 1234,
  listen: '0.0.0.0:22100',
  datagramIo: 'dgram',
  folders: [
    {
      id: 'photos',
      label: 'Photos',
      path: '/home/ada/a/rather/long/path/that/goes/on/and/on/Photos',
      mode: 'two-way',
      state: 'idle',
      files: 12_345,
      directories: 10,
      bytes: 2_345_678_901,
      needFiles: 0,
      needBytes: 0,
      conflicts: 1,
      problems: [{ path: 'evil\x1b[31mname\n', code: 'name-too-long', text: 'The name is too long here.' }],
      peers: [{ device: desktop.id, needFiles: 3, durableSequence: 5, inSync: false }],
    },
  ],
  devices: [desktop],
  transfers: [{ folder: 'photos', path: 'a.jpg', bytes: 200, bytesDone: 90, from: 'desktop' }],
  notices: ['The index was rebuilt.'],
};

function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

const program = buildProgram({
  stdout: new FakeOutput() as never,
  stderr: new FakeOutput() as never,
  stdin: fakeInput('') as never,
  signal: new AbortController().signal,
});

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

describe('the command table', () => {
  test('is the one of the contract', () => {
    expect(
      leavesOf(program)
        .map((command) => pathOf(command).join(' '))
        .sort(),
    ).toEqual(
      [
        'conflicts list',
        'conflicts resolve',
        'conflicts show',
        'config get',
        'config list',
        'config set',
        'daemon restart',
        'daemon run',
        'daemon start',
        'daemon status',
        'daemon stop',
        'devices',
        'folder accept',
        'folder add',
        'folder approve',
        'folder list',
        'folder offers',
        'folder pause',
        'folder refuse',
        'folder remove',
        'folder rescan',
        'folder resume',
        'history',
        'id',
        'init',
        'pair accept',
        'pair invite',
        'ping',
        'restore',
        'status',
        'unpair',
        'wait',
      ].sort(),
    );
  });

  test.each(
    allCommands(program)
      .filter((command) => command.parent !== null)
      .map(pathOf),
  )('--help of %s %s shows an example that the parser knows', async (...path) => {
    const { exitCode, stdout } = await run([...path.filter((name) => name !== undefined), '--help']);
    expect(exitCode).toBe(0);
    const examples = [...stdout.matchAll(/^ {2}\$ .*?(landropic .*)$/gm)].map(([, line]) => line ?? '');
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(example).toMatch(new RegExp(`^landropic ${path[0]}\\b`));
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test.each(leavesOf(program).map((command) => [pathOf(command).join(' '), command] as const))(
    '%s takes --json',
    (_name, command) => {
      expect(command.options.map((option) => option.long)).toContain('--json');
    },
  );

  test('--help and --version end well', async () => {
    expect(await run(['--help'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await run(['help', 'wait'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage exits 2 and says what would be right', () => {
  test.each([
    [['statsu'], "unknown command 'statsu'\n(Did you mean status?)"],
    [['folder', 'ad', '/x'], "unknown command 'ad'"],
    [['status', '--wach'], "unknown option '--wach'\n(Did you mean --watch?)"],
    [['folder', 'add'], "missing required argument 'path'"],
    [['unpair', 'a', 'b'], 'too many arguments'],
    [['wait', '--timeout', '5'], "'500ms'"],
    [['wait', '--timeout', '0s'], 'longer than nothing'],
    [['folder', 'add', '/x', '--mode', 'sideways'], 'two-way, send-only, receive-only'],
    [['ping', 'desktop', '--count', '0'], 'from 1 to 100'],
    [['pair', 'accept', 'landropic1:SECRET'], 'too many arguments'],
  ])('%j', async (args, text) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(text);
    expect(stderr).toMatch(/^landropic: [^e]/);
  });

  test('a command that only holds others shows its help', async () => {
    const { exitCode, stdout, stderr } = await run(['folder']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('Usage: landropic folder');
    expect((await run([])).exitCode).toBe(2);
  });
});

describe('exit codes', () => {
  test('3 and a way on when the daemon does not run', async () => {
    expect(await run(['status'])).toEqual({
      exitCode: 3,
      stdout: '',
      stderr: "landropic: The daemon is not running.\nStart it with 'landropic daemon start'.\n",
    });
    expect((await run(['daemon', 'stop'])).exitCode).toBe(3);
  });

  test.each([
    ['usage', 2],
    ['not-found', 1],
    ['conflict', 1],
    ['unreachable', 3],
    ['not-paired', 4],
    ['not-allowed', 4],
    ['file-system', 5],
    ['timeout', 6],
    ['cannot-come-true', 1],
    ['internal', 1],
  ] as const)('%s is %i', async (code, exitCode) => {
    await daemonWith({ wait: () => Promise.reject(new ApiError(code, 'What happened to what.')) });
    expect(await run(['wait'])).toEqual({
      exitCode,
      stdout: '',
      stderr: 'landropic: What happened to what.\n',
    });
    const asJson = await run(['wait', '--json']);
    expect(JSON.parse(asJson.stderr)).toEqual({ error: { code, message: 'What happened to what.' } });
  });

  test('130 and not a word when it was interrupted, though the daemon never answers', async () => {
    const controller = new AbortController();
    await daemonWith({
      wait: () => {
        controller.abort(Object.assign(new Error('interrupted'), { code: 'interrupted' }));
        return new Promise(() => {});
      },
    });
    expect(await run(['wait'], { signal: controller.signal })).toEqual({
      exitCode: 130,
      stdout: '',
      stderr: '',
    });
    await api?.stop();
  });
});

describe('pairing', () => {
  const invitation = {
    ticket: 'landropic1:SECRET',
    ticketId: 't1',
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
    addresses: ['192.168.1.5:22100'],
  };

  test('invite prints the ticket as the last line and ends, where nobody looks', async () => {
    await daemonWith({ 'pair.invite': async () => invitation });
    const { exitCode, stdout } = await run(['pair', 'invite']);
    expect(exitCode).toBe(0);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('landropic1:SECRET');
  });

  test('invite passes on how long the ticket is good for', async () => {
    const given: unknown[] = [];
    await daemonWith({
      'pair.invite': async (params) => {
        given.push(params);
        return invitation;
      },
    });
    await run(['pair', 'invite', '--ttl', '2m']);
    await run(['pair', 'invite']);
    expect(given).toEqual([{ ttlMs: 120_000 }, {}]);
  });

  test('invite shows a QR code on a terminal, and who redeemed', async () => {
    await daemonWith({
      'pair.invite': async () => invitation,
      'pair.follow': async ({ ticketId }, { emit }) => {
        emit({ wrongProofFrom: '10.0.0.9' });
        return { id: `ID-of-${ticketId}`, name: 'phone' };
      },
    });
    const { exitCode, stdout, stderr } = await run(['pair', 'invite'], { isTTY: true });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('▀');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('landropic1:SECRET');
    expect(stderr).toContain('10.0.0.9');
    expect(stderr).toContain('phone');
  });

  test.each([
    ['alone', 'landropic1:SECRET\n'],
    [
      'after what invite says around it',
      'This ticket pairs one device. landropic pair accept\nlandropic1:SECRET\n',
    ],
    ['with blanks around it', '\n   landropic1:SECRET  \r\n\n'],
  ])('accept takes the ticket from stdin, %s', async (_what, input) => {
    await daemonWith({ 'pair.accept': async ({ ticket }) => ({ id: ticket, name: 'laptop' }) });
    const { exitCode, stdout } = await run(['pair', 'accept'], { input });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Paired with laptop: landropic1:SECRET\n');
  });

  test('accept without a ticket is wrong usage', async () => {
    const { exitCode, stderr } = await run(['pair', 'accept'], { input: '\n' });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('pair invite');
  });
});

describe('paths', () => {
  test('are made absolute here, where the person stands', async () => {
    const given: unknown[] = [];
    const folder = { id: 'f', label: 'f', path: '/x', mode: 'two-way' as const, sharedWith: [] };
    await daemonWith({
      'folders.add': async (params) => {
        given.push(params);
        return folder;
      },
    });
    expect((await run(['folder', 'add', 'sub/../Photos', '--share', 'a', 'b', '--id', 'p'])).exitCode).toBe(
      0,
    );
    expect(given).toEqual([{ path: join(process.cwd(), 'Photos'), share: ['a', 'b'], id: 'p' }]);
  });
});

describe('status', () => {
  test('fits into 80 columns on a terminal, and lets no name draw on it', async () => {
    await daemonWith({ status: async () => status });
    const { exitCode, stdout } = await run(['status'], { isTTY: true });
    expect(exitCode).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are taken out to count columns.
    const plain = stdout.replace(/\x1b\[\d+m/g, '');
    expect(plain).not.toContain('\x1b');
    expect(Math.max(...plain.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(plain).toMatchSnapshot();
  });

  test('is cut nowhere else', async () => {
    await daemonWith({ status: async () => status });
    const { stdout } = await run(['status']);
    expect(stdout).toContain('/home/ada/a/rather/long/path/that/goes/on/and/on/Photos');
    expect(stdout).not.toContain('\x1b');
  });

  test('--json is what the daemon answered, on one line', async () => {
    await daemonWith({ status: async () => status });
    const { stdout } = await run(['status', '--json']);
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toEqual(status);
  });

  test('--watch prints again when something changed, until it is interrupted', async () => {
    const controller = new AbortController();
    let calls = 0;
    await daemonWith({
      status: async () => {
        calls++;
        if (calls === 3) controller.abort(Object.assign(new Error('interrupted'), { code: 'interrupted' }));
        return { ...status, uptimeSeconds: calls, notices: calls < 2 ? [] : ['changed'] };
      },
    });
    const { exitCode, stdout } = await run(['status', '--watch', '--json'], { signal: controller.signal });
    expect(exitCode).toBe(130);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  });
});

describe('lists', () => {
  test('of devices, with what is wrong with one', async () => {
    const other = {
      ...desktop,
      name: 'phone',
      connected: false,
      presence: 'offline' as const,
      rttMs: null,
      problem: 'does not know us',
    };
    await daemonWith({ 'devices.list': async () => ({ devices: [desktop, other] }) });
    const { stdout } = await run(['devices']);
    expect(stdout).toBe(
      [
        'desktop  DESKTOP-BBBBBBB  connected, 0.41 ms           192.168.1.5:22100',
        'phone    DESKTOP-BBBBBBB  last seen 2026-01-01 00:00Z  192.168.1.5:22100',
        '  ! does not know us',
        '',
      ].join('\n'),
    );
  });

  test('of devices says where nobody has changed anything for a while', async () => {
    const away = { ...desktop, presence: 'away' as const };
    await daemonWith({ 'devices.list': async () => ({ devices: [away] }) });
    expect((await run(['devices'])).stdout).toContain('connected, away, 0.41 ms');
  });

  test('that are empty say what to do, on stderr', async () => {
    await daemonWith({
      'devices.list': async () => ({ devices: [] }),
      'folders.list': async () => ({ folders: [] }),
      'folders.offers': async () => ({ offers: [] }),
      'conflicts.list': async () => ({ conflicts: [] }),
    });
    for (const args of [['devices'], ['folder', 'list'], ['folder', 'offers'], ['conflicts']]) {
      const { exitCode, stdout, stderr } = await run(args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
      expect(stderr).not.toBe('');
      expect((await run([...args, '--json'])).stdout).toMatch(/^\{"\w+":\[\]\}\n$/);
    }
  });

  test('of conflicts pass the folder on', async () => {
    const given: unknown[] = [];
    await daemonWith({
      'conflicts.list': async (params) => {
        given.push(params);
        return { conflicts: [] };
      },
    });
    await run(['conflicts', '--folder', 'photos']);
    await run(['conflicts', 'list', '--folder', 'music']);
    expect(given).toEqual([{ folder: 'photos' }, { folder: 'music' }]);
  });
});

describe('conflicts', () => {
  const version = (path: string, deviceName: string) => ({
    path,
    device: deviceName.toUpperCase(),
    deviceName,
    modifiedAt: new Date(2026, 0, 31, 14, 25, 30).toISOString(),
    sizeBytes: 12,
    type: 'file' as const,
  });

  test('show has both versions, and what differs', async () => {
    let diff: string | null = '@@ -1,1 +1,1 @@\n-left\n+right\n';
    await daemonWith({
      'conflicts.show': async () => ({
        folder: 'work',
        path: 'plan.md',
        original: version('plan.md', 'laptop'),
        copies: [{ ...version('plan.copy.md', 'desktop'), diff }],
      }),
    });
    const { stdout } = await run(['conflicts', 'show', 'plan.md']);
    expect(stdout).toContain('plan.md       laptop   2026-01-31 14:25:30  12 B');
    expect(stdout).toContain('plan.copy.md  desktop  2026-01-31 14:25:30  12 B');
    expect(stdout).toContain('--- plan.md\n+++ plan.copy.md\n@@ -1,1 +1,1 @@\n-left\n+right\n');
    diff = null;
    expect((await run(['conflicts', 'show', 'plan.md'])).stdout).not.toContain('---');
  });

  test('resolve passes on what is to be kept, and says what became of the rest', async () => {
    const given: unknown[] = [];
    await daemonWith({
      'conflicts.resolve': async (params) => {
        given.push(params);
        const keptAs = params.keep === 'both' ? ['plan (desktop).md'] : [];
        const replaced = params.keep === 'other';
        return { folder: 'work', path: 'plan.md', removed: ['plan.copy.md'], keptAs, replaced };
      },
    });
    const resolve = (keep: string) =>
      run(['conflicts', 'resolve', 'plan.md', '--folder', 'work', '--keep', keep]);
    expect((await resolve('this')).stdout).toBe('plan.md stays as it is.\n');
    expect((await resolve('other')).stdout).toBe('plan.md is now what plan.copy.md was.\n');
    expect((await resolve('both')).stdout).toBe('plan.copy.md is now called plan (desktop).md.\n');
    expect(given).toEqual(
      ['this', 'other', 'both'].map((keep) => ({ path: 'plan.md', folder: 'work', keep })),
    );
    expect((await resolve('none')).exitCode).toBe(2);
    expect((await run(['conflicts', 'resolve', 'plan.md'])).exitCode).toBe(2);
  });
});

describe('folder accept', () => {
  const files = { equal: 1, onlyHere: 2, onlyThere: 3, different: 1, differentPaths: ['plan.md'] };
  const preview = { id: 'f', label: 'f', path: '/x', device: desktop.id, deviceName: 'desktop', files };
  const accepted: unknown[] = [];
  const daemon = (found: typeof files | null) => {
    accepted.length = 0;
    return daemonWith({
      'folders.preview': async () => ({ ...preview, files: found }),
      'folders.accept': async (params) => {
        accepted.push(params.yes);
        return { id: 'f', label: 'f', path: '/x', mode: 'two-way', sharedWith: [] };
      },
    });
  };
  const accept = ['folder', 'accept', 'f', '/x'];

  test('asks before it merges, and takes only yes for yes', async () => {
    await daemon(files);
    const declined = await run(accept, { isInputTTY: true, input: '\n' });
    expect(declined).toMatchObject({ exitCode: 1, stdout: '' });
    for (const line of [
      '1 file equal',
      '2 files only here',
      '3 files only on desktop',
      '1 file different',
      'plan.md',
    ])
      expect(declined.stderr).toContain(line);
    expect(accepted).toEqual([]);
    expect((await run(accept, { isInputTTY: true })).exitCode).toBe(1);
    expect(accepted).toEqual([]);
    expect((await run(accept, { isInputTTY: true, input: 'y\n' })).exitCode).toBe(0);
    expect(accepted).toEqual([true]);
  });

  test('merges nothing where nobody can be asked', async () => {
    await daemon(files);
    expect(await run(accept)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--yes') });
    expect((await run([...accept, '--json'], { isInputTTY: true, input: 'y\n' })).exitCode).toBe(2);
    expect(accepted).toEqual([]);
    expect((await run([...accept, '--yes'])).exitCode).toBe(0);
    expect(accepted).toEqual([true]);
  });

  test('asks nothing where nothing is merged', async () => {
    await daemon(null);
    expect(await run(accept)).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('history', () => {
  const version = {
    folder: 'photos',
    path: 'd/cat.jpg',
    displacedAt: new Date(2026, 0, 31, 14, 25, 30).toISOString(),
    sizeBytes: 2_000,
    reason: 'replaced' as const,
    device: desktop.id,
    deviceName: 'desktop',
  };

  test('lists what went when, by whom, and how to bring it back', async () => {
    const given: unknown[] = [];
    await daemonWith({
      'history.list': async (params) => {
        given.push(params);
        return { versions: [version, { ...version, device: null, deviceName: null }], hasMore: true };
      },
    });
    const { stdout, stderr } = await run(['history', 'd', '--folder', 'photos', '--limit', '2']);
    expect(stdout).toContain('2026-01-31 14:25:30  replaced  desktop  2.0 kB  photos  d/cat.jpg');
    expect(stdout).toContain('replaced  ?');
    expect(stderr).toContain('--limit 20');
    expect(stderr).toContain('landropic restore');
    await run(['history', 'd']);
    await run(['history']);
    expect(given).toEqual([
      { path: 'd', folder: 'photos', limit: 2 },
      { path: join(process.cwd(), 'd'), limit: 100 },
      { limit: 100 },
    ]);
    expect((await run(['history', '--limit', '0'])).exitCode).toBe(2);
  });

  test('restore says what it did, and where what stood there is', async () => {
    const given: unknown[] = [];
    let changed = true;
    await daemonWith({
      'history.restore': async (params) => {
        given.push(params);
        return { version, changed, keptInHistory: changed };
      },
    });
    const at = '2026-01-31T13:00:00Z';
    const { stdout, stderr } = await run(['restore', 'd/cat.jpg', '--folder', 'photos', '--at', at]);
    expect(stdout).toBe('d/cat.jpg is back, as it was until 2026-01-31 14:25:30 (2.0 kB).\n');
    expect(stderr).toContain('in history now');
    changed = false;
    expect((await run(['restore', 'd/cat.jpg'])).stdout).toContain('already');
    expect(given).toEqual([
      { path: 'd/cat.jpg', folder: 'photos', at: '2026-01-31T13:00:00.000Z' },
      { path: join(process.cwd(), 'd/cat.jpg') },
    ]);
    expect((await run(['restore', 'f', '--at', 'yesterday'])).exitCode).toBe(2);
  });
});

describe('config', () => {
  const setting = { key: 'name', value: 'laptop', default: 'host', description: 'What others see.' };

  test('get prints the value alone, set says when it waits for a restart', async () => {
    await daemonWith({
      'config.get': async () => setting,
      'config.set': async ({ key, value }) => ({ ...setting, key, value, applied: false }),
      'config.list': async () => ({ settings: [setting] }),
    });
    expect((await run(['config', 'get', 'name'])).stdout).toBe('laptop\n');
    const set = await run(['config', 'set', 'listen', ':1']);
    expect(set).toMatchObject({ exitCode: 0, stdout: 'listen = :1\n' });
    expect(set.stderr).toContain('restart');
    expect((await run(['config', 'list'])).stdout).toContain('laptop (default: host)');
  });
});
