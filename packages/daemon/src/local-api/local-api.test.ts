import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callDaemon } from './client.js';
import { ApiError } from './schema.js';
import { type Handlers, type LocalApi, type LocalApiOptions, startLocalApi } from './server.js';

const onUnix = process.platform !== 'win32';
let directory: string;
let socketPath: string;
const started: LocalApi[] = [];
let logged: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'landropic-api-'));
  socketPath = onUnix
    ? join(directory, 'run', 'daemon.sock')
    : `\\\\.\\pipe\\${directory.replaceAll('\\', '-')}`;
  logged = [];
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((api) => api.stop()));
  rmSync(directory, { recursive: true, force: true });
});

const log = {
  warn: (_fields: object, message: string) => void logged.push(message),
  error: (_fields: object, message: string) => void logged.push(message),
};

/** Only the methods a test names; calling another is a mistake of the test. */
async function serve(handlers: Partial<Handlers>, options?: LocalApiOptions): Promise<LocalApi> {
  const api = await startLocalApi({ socketPath, handlers: handlers as Handlers, log }, options);
  started.push(api);
  return api;
}

/** Sends raw text and gives back the lines that come until the daemon closes or `count` lines are there. */
async function sendRaw(text: string, count: number): Promise<unknown[]> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  socket.write(text);
  let received = '';
  for await (const bytes of socket) {
    received += String(bytes);
    if (received.split('\n').length > count) break;
  }
  socket.destroy();
  return received
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('calls', () => {
  test('carry parameters there, and events and the result back', async () => {
    await serve({
      async ping(params, context) {
        for (let i = 0; i < params.count; i++) context.emit({ roundTripMs: i });
        return { device: params.device, name: 'desk', roundTripsMs: [0, 1] };
      },
    });
    const events: unknown[] = [];
    const result = await callDaemon(
      socketPath,
      'ping',
      { device: 'd', count: 2 },
      { onEvent: (e) => events.push(e) },
    );
    expect(result).toEqual({ device: 'd', name: 'desk', roundTripsMs: [0, 1] });
    expect(events).toEqual([{ roundTripMs: 0 }, { roundTripMs: 1 }]);
  });

  test('end with the error of the handler, as it is', async () => {
    await serve({
      'devices.remove': () =>
        Promise.reject(new ApiError('not-paired', "No paired device is called 'x'.", { hint: 'Look.' })),
    });
    await expect(callDaemon(socketPath, 'devices.remove', { device: 'x' })).rejects.toMatchObject({
      name: 'ApiError',
      code: 'not-paired',
      message: "No paired device is called 'x'.",
      hint: 'Look.',
    });
  });

  test('hide the stack of what was not foreseen, and log it', async () => {
    await serve({ 'folders.list': () => Promise.reject(new TypeError('boom')) });
    const failed = callDaemon(socketPath, 'folders.list', {});
    await expect(failed).rejects.toMatchObject({ code: 'internal', message: 'boom' });
    expect(logged).toEqual(['a local API method failed']);
  });

  test('with parameters that do not fit are wrong usage, named by field', async () => {
    await serve({});
    const answers = await sendRaw('{"id":7,"method":"ping","params":{"device":"d","count":0}}\n', 1);
    expect(answers).toMatchObject([
      { id: 7, error: { code: 'usage', message: expect.stringContaining('count') } },
    ]);
  });

  test.each(['no.such.method', 'toString', '__proto__'])('to %s are wrong usage', async (method) => {
    await serve({});
    const answers = await sendRaw(`${JSON.stringify({ id: 1, method, params: {} })}\n`, 1);
    expect(answers).toMatchObject([{ id: 1, error: { code: 'usage' } }]);
  });

  test('several on one connection are answered each by its number', async () => {
    await serve({
      'devices.list': async () => ({ devices: [] }),
      'folders.list': async () => ({ folders: [] }),
    });
    const answers = await sendRaw(
      '{"id":1,"method":"devices.list","params":{}}\n\n{"id":2,"method":"folders.list","params":{}}\n',
      2,
    );
    expect(answers).toEqual([
      { id: 1, result: { devices: [] } },
      { id: 2, result: { folders: [] } },
    ]);
  });
});

describe('the handler hears', () => {
  test('that the client went away', async () => {
    let aborted: (() => void) | undefined;
    const wasAborted = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    await serve({
      wait: (_params, context) =>
        new Promise((_resolve, reject) => {
          context.emit({ needFiles: 1, waitingFor: ['d'] });
          context.signal.addEventListener('abort', () => {
            aborted?.();
            reject(new ApiError('timeout', 'given up'));
          });
        }),
    });
    const giveUp = new AbortController();
    const params = { devices: [], connected: false, timeoutMs: 1000 };
    const call = callDaemon(socketPath, 'wait', params, {
      signal: giveUp.signal,
      onEvent: () => giveUp.abort(),
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    await wasAborted;
  });

  test('that the API stops, and its last answer still goes out', async () => {
    const api = await serve({
      'pair.follow': (_params, context) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(new ApiError('timeout', 'stopping')));
          context.emit({ wrongProofFrom: 'here' });
        }),
    });
    let stopping: Promise<void> | undefined;
    const call = callDaemon(
      socketPath,
      'pair.follow',
      { ticketId: 't' },
      { onEvent: () => (stopping = api.stop()) },
    );
    await expect(call).rejects.toMatchObject({ code: 'timeout', message: 'stopping' });
    await stopping;
    await expect(callDaemon(socketPath, 'status', {})).rejects.toMatchObject({ code: 'not-running' });
  });
});

describe('the client', () => {
  test('says that no daemon is running', async () => {
    await expect(callDaemon(socketPath, 'status', {})).rejects.toMatchObject({ code: 'not-running' });
  });

  test('does not wait longer than it was told', async () => {
    await serve({ 'folders.list': () => new Promise(() => {}) }, { stopTimeoutMs: 1 });
    await expect(callDaemon(socketPath, 'folders.list', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'timeout',
    });
  });

  test('does not take an answer of another shape', async () => {
    await serve({ 'folders.list': async () => ({ folders: 'none' }) as never });
    await expect(callDaemon(socketPath, 'folders.list', {})).rejects.toMatchObject({
      code: 'unexpected-answer',
    });
  });
});

describe('bounds', () => {
  test('a line beyond the limit is refused and the connection closed', async () => {
    await serve({}, { maxRequestBytes: 100 });
    const answers = await sendRaw('x'.repeat(101), Number.POSITIVE_INFINITY);
    expect(answers).toMatchObject([
      { error: { code: 'usage', message: expect.stringContaining('100 bytes') } },
    ]);
  });

  test('what is not JSON is refused and the connection closed', async () => {
    await serve({});
    const answers = await sendRaw('GET / HTTP/1.1\r\n\r\n', Number.POSITIVE_INFINITY);
    expect(answers).toMatchObject([{ error: { code: 'usage' } }]);
  });

  test('more requests at once than allowed are refused', async () => {
    await serve(
      { 'folders.list': () => new Promise(() => {}) },
      { maxRequestsPerClient: 2, stopTimeoutMs: 1 },
    );
    const line = (id: number): string => `{"id":${id},"method":"folders.list","params":{}}\n`;
    const answers = await sendRaw(line(1) + line(2) + line(3), 1);
    expect(answers).toMatchObject([{ id: 3, error: { code: 'usage' } }]);
  });
});

describe.runIf(onUnix)('the socket', () => {
  test('is for its user alone, and so is its directory', async () => {
    await serve({});
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(statSync(join(socketPath, '..')).mode & 0o777).toBe(0o700);
  });

  test('is not put into a directory that others can enter', async () => {
    chmodSync(directory, 0o755);
    socketPath = join(directory, 'daemon.sock');
    await serve({});
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test('of a daemon that was killed is replaced', async () => {
    await leaveStaleSocket(socketPath);
    expect(statSync(socketPath).isSocket()).toBe(true);
    await serve({ 'devices.list': async () => ({ devices: [] }) });
    expect(await callDaemon(socketPath, 'devices.list', {})).toEqual({ devices: [] });
  });

  test('of a live daemon is not', async () => {
    await serve({ 'devices.list': async () => ({ devices: [] }) });
    await expect(serve({})).rejects.toMatchObject({ code: 'already-running' });
    expect(await callDaemon(socketPath, 'devices.list', {})).toEqual({ devices: [] });
  });

  test('cannot stand where its directory would be a file', async () => {
    writeFileSync(join(directory, 'run'), '');
    await expect(serve({})).rejects.toMatchObject({ code: 'directory-not-private' });
    expect(readFileSync(join(directory, 'run'), 'utf8')).toBe('');
  });
});

/** A socket file that nobody listens on, as kill -9 leaves it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require('fs').mkdirSync(require('path').dirname(process.argv[1]), {recursive: true});
    require('net').createServer().listen(process.argv[1], () => console.log('listening'));`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}
