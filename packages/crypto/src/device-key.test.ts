import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deviceIdFromSpki } from './device-id.js';
import { createDeviceKey, loadDeviceIdentity, loadOrCreateDeviceIdentity } from './device-key.js';
import { CryptoError } from './errors.js';

const isPosix = process.platform !== 'win32';
const isRoot = process.getuid?.() === 0;

let directory: string;
let keyPath: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'landropic-key-'));
  keyPath = path.join(directory, 'device.key');
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true, force: true });
});

function refusal(load: () => unknown = () => loadDeviceIdentity(keyPath)): CryptoError {
  try {
    load();
  } catch (error) {
    if (error instanceof CryptoError) return error;
    throw error;
  }
  throw new Error('not refused');
}

function store(text: string): void {
  fs.writeFileSync(keyPath, text, { mode: 0o600 });
}

/** A process that says when it is ready, waits for the word, and then writes its result. */
function runScript(script: string): { ready: Promise<void>; start: () => void; output: Promise<string> } {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let written = '';
  const output = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(written.replace('ready\n', ''));
      else reject(new Error(`ended with ${code}`));
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      written += chunk.toString();
      if (written.includes('ready\n')) resolve();
    });
    output.catch(reject);
  });
  return { ready, start: () => child.stdin.end('go\n'), output };
}

describe('a new key', () => {
  it('is loaded again as the same device', () => {
    const created = createDeviceKey(keyPath);
    const loaded = loadDeviceIdentity(keyPath);
    expect(loaded.deviceId).toBe(created.deviceId);
    expect(loaded.keyPem).toBe(created.keyPem);
    for (const { certificatePem, deviceId } of [created, loaded]) {
      const certificate = new X509Certificate(certificatePem);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(deviceIdFromSpki(certificate.publicKey.export({ type: 'spki', format: 'der' }))).toBe(deviceId);
    }
  });

  it.runIf(isPosix)('is for its owner only, whatever the umask', () => {
    const before = process.umask(0o000);
    try {
      for (const mask of [0o000, 0o022, 0o777]) {
        process.umask(mask);
        createDeviceKey(`${keyPath}.${mask}`);
        expect(fs.statSync(`${keyPath}.${mask}`).mode & 0o777).toBe(0o600);
      }
    } finally {
      process.umask(before);
    }
  });

  it('leaves nothing else behind', () => {
    createDeviceKey(keyPath);
    refusal(() => createDeviceKey(keyPath));
    expect(fs.readdirSync(directory)).toEqual(['device.key']);
  });

  it('never takes the place of what is there', () => {
    store('precious');
    expect(refusal(() => createDeviceKey(keyPath)).code).toBe('key-exists');
    expect(fs.readFileSync(keyPath, 'utf8')).toBe('precious');
  });

  it.runIf(isPosix)('does not follow a dangling link', () => {
    fs.symlinkSync(path.join(directory, 'elsewhere'), keyPath);
    expect(refusal(() => createDeviceKey(keyPath)).code).toBe('key-exists');
    expect(fs.existsSync(path.join(directory, 'elsewhere'))).toBe(false);
  });

  it('says where it could not be stored', () => {
    const error = refusal(() => createDeviceKey(path.join(directory, 'missing', 'device.key')));
    expect(error.code).toBe('key-unwritable');
    expect(error.message).toContain(path.join(directory, 'missing', 'device.key'));
    expect(error.cause).toBeInstanceOf(Error);
  });
});

describe('loading refuses', () => {
  it('a missing key', () => {
    expect(refusal()).toMatchObject({
      code: 'key-missing',
      message: expect.stringContaining('landropic init'),
    });
  });

  it.runIf(isPosix).each([0o640, 0o604, 0o644, 0o620, 0o602, 0o660, 0o666, 0o610])(
    'a key with mode %o, naming the cure',
    (mode) => {
      createDeviceKey(keyPath);
      fs.chmodSync(keyPath, mode);
      expect(refusal()).toMatchObject({ code: 'key-exposed', message: expect.stringContaining('chmod 600') });
      fs.chmodSync(keyPath, 0o400);
      expect(loadDeviceIdentity(keyPath).deviceId).toBeTypeOf('string');
    },
  );

  it.runIf(isPosix && isRoot)('a key that belongs to somebody else', () => {
    createDeviceKey(keyPath);
    fs.chownSync(keyPath, 12_345, 12_345);
    expect(refusal()).toMatchObject({ code: 'key-exposed', message: expect.stringContaining('chown') });
  });

  it('a key cut short at any length', () => {
    const { keyPem } = createDeviceKey(keyPath);
    for (let length = 0; length < keyPem.trimEnd().length; length += 1) {
      fs.writeFileSync(keyPath, keyPem.slice(0, length));
      expect(refusal().code).toBe('key-damaged');
    }
  });

  it('a key with any one character changed', () => {
    const { keyPem } = createDeviceKey(keyPath);
    for (let position = 0; position < keyPem.trimEnd().length; position += 1) {
      const character = keyPem[position] === 'x' ? 'y' : 'x';
      if (keyPem[position] === '\n') continue;
      fs.writeFileSync(keyPath, keyPem.slice(0, position) + character + keyPem.slice(position + 1));
      const error = refusal();
      expect(error.code).toBe('key-damaged');
      expect(error.message).toContain('backup');
    }
  });

  it.each<[string, () => string]>([
    ['zeros', () => '\0'.repeat(241)],
    ['far too much', () => 'A'.repeat(100_000)],
    ['the certificate', () => createDeviceKey(`${keyPath}.other`).certificatePem],
    [
      'an RSA key',
      () =>
        generateKeyPairSync('rsa', { modulusLength: 2048 })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
    ],
    [
      'a P-384 key',
      () =>
        generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
    ],
    [
      'a key with a password',
      () =>
        generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
          .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
          .toString(),
    ],
  ])('%s instead of a key', (_, text) => {
    store(text());
    expect(refusal().code).toBe('key-damaged');
  });

  it('a directory', () => {
    fs.mkdirSync(keyPath, { mode: 0o700 });
    expect(refusal().code).toBe('key-damaged');
  });

  it.runIf(isPosix)('a named pipe, without waiting for a writer', async () => {
    await new Promise<void>((resolve, reject) => {
      execFile('mkfifo', ['-m', '600', keyPath], (error) => (error === null ? resolve() : reject(error)));
    });
    expect(refusal().code).toBe('key-damaged');
  });

  it.runIf(isPosix)('a path through a file', () => {
    store('');
    const error = refusal(() => loadDeviceIdentity(path.join(keyPath, 'device.key')));
    expect(error.code).toBe('key-unreadable');
    expect(error.cause).toBeInstanceOf(Error);
  });
});

describe('loadOrCreateDeviceIdentity', () => {
  it('makes a key once', () => {
    const first = loadOrCreateDeviceIdentity(keyPath);
    expect(loadOrCreateDeviceIdentity(keyPath).deviceId).toBe(first.deviceId);
  });

  it('gives all processes that start at once the same key', async () => {
    const packageUrl = new URL('../dist/index.js', import.meta.url).href;
    const script = `
      const { loadOrCreateDeviceIdentity } = await import(${JSON.stringify(packageUrl)});
      process.stdout.write('ready\\n');
      process.stdin.once('data', () => {
        process.stdout.write(loadOrCreateDeviceIdentity(${JSON.stringify(keyPath)}).deviceId);
      });`;
    const children = Array.from({ length: 4 }, () => runScript(script));
    await Promise.all(children.map(({ ready }) => ready));
    for (const { start } of children) start();
    const ids = await Promise.all(children.map(({ output }) => output));
    expect(ids).toEqual(ids.map(() => loadDeviceIdentity(keyPath).deviceId));
    expect(fs.readdirSync(directory)).toEqual(['device.key']);
  });

  it('replaces no damaged key', () => {
    store('damaged');
    expect(refusal(() => loadOrCreateDeviceIdentity(keyPath)).code).toBe('key-damaged');
    expect(fs.readFileSync(keyPath, 'utf8')).toBe('damaged');
  });
});
