import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { buildCertificate } from './certificate.js';
import { type DeviceId, deviceIdFromSpki } from './device-id.js';
import { CryptoError } from './errors.js';

/** What this device proves itself with. The certificate is made anew at every load and is worth nothing by itself. */
export interface DeviceIdentity {
  readonly deviceId: DeviceId;
  /** PKCS#8 private key. */
  readonly keyPem: string;
  /** Self-signed certificate under that key. */
  readonly certificatePem: string;
}

const ownerOnly = 0o600;
const groupAndOthers = 0o077;
/** A P-256 key in PEM takes 241 bytes. */
const maxKeyFileBytes = 8192;

/**
 * Makes a new key and stores it at `keyPath`, readable by its owner only, whole or not at all, and flushed to disk.
 * Throws `key-exists` when something is there already (it is left as it is), `key-unwritable` when it cannot be stored.
 */
export function createDeviceKey(keyPath: string): DeviceIdentity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const identity = identityOfKey(privateKey);
  storeWithoutOverwriting(keyPath, identity.keyPem);
  return identity;
}

/**
 * Reads the key at `keyPath`. Throws `key-missing`, `key-exposed` (others may read or change it, or own it; not looked
 * at on Windows), `key-damaged` or `key-unreadable`; each message says what to do.
 */
export function loadDeviceIdentity(keyPath: string): DeviceIdentity {
  const text = readKeyFile(keyPath);
  try {
    const parsedKey = createPrivateKey({ key: text, format: 'pem' });
    // Through its bare numbers: OpenSSL otherwise writes a damaged field back as it read it.
    const privateKey = createPrivateKey({ key: parsedKey.export({ format: 'jwk' }), format: 'jwk' });
    const identity = identityOfKey(privateKey);
    // A damaged key may still parse: with a public half that is not its own, or into a different key altogether.
    if (!samePem(identity.keyPem, text)) throw new Error('not the encoding that is written');
    if (!new X509Certificate(identity.certificatePem).verify(createPublicKey(privateKey))) {
      throw new Error('the two halves of the key do not belong together');
    }
    return identity;
  } catch (cause) {
    throw new CryptoError(
      'key-damaged',
      `${keyPath} does not hold a whole device key. Put it back from a backup; without one, move the file away and this device ` +
        'gets a new key and ID, and has to be paired again',
      { cause },
    );
  }
}

/** Reads the key, or makes one when there is none. Several processes doing so at once end up with the same key. */
export function loadOrCreateDeviceIdentity(keyPath: string): DeviceIdentity {
  try {
    return loadDeviceIdentity(keyPath);
  } catch (error) {
    if (!hasCryptoCode(error, 'key-missing')) throw error;
  }
  try {
    return createDeviceKey(keyPath);
  } catch (error) {
    if (!hasCryptoCode(error, 'key-exists')) throw error;
    return loadDeviceIdentity(keyPath);
  }
}

function identityOfKey(privateKey: KeyObject): DeviceIdentity {
  const spkiDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    deviceId: deviceIdFromSpki(spkiDer),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificatePem: buildCertificate(privateKey),
  };
}

function samePem(a: string, b: string): boolean {
  return a.replace(/\s/g, '') === b.replace(/\s/g, '');
}

function readKeyFile(keyPath: string): string {
  let descriptor: number;
  try {
    // Not waiting: opening a named pipe would otherwise hang until somebody writes to it.
    descriptor = fs.openSync(keyPath, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') {
      throw new CryptoError(
        'key-missing',
        `there is no device key at ${keyPath}: \`landropic init\` makes one`,
        { cause },
      );
    }
    throw unreadable(keyPath, cause);
  }
  try {
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile()) throw new CryptoError('key-damaged', `${keyPath} is not a file: move it away`);
    checkPrivacy(keyPath, stat);
    if (stat.size > maxKeyFileBytes) {
      throw new CryptoError(
        'key-damaged',
        `${keyPath} is too large to be a device key: put it back from a backup`,
      );
    }
    return fs.readFileSync(descriptor, 'latin1');
  } catch (cause) {
    throw cause instanceof CryptoError ? cause : unreadable(keyPath, cause);
  } finally {
    fs.closeSync(descriptor);
  }
}

function checkPrivacy(keyPath: string, stat: fs.Stats): void {
  const ownUserId = process.geteuid?.();
  // Windows has no such modes; the key is as private as the profile it lies in.
  if (ownUserId === undefined || process.platform === 'win32') return;
  if (stat.uid !== ownUserId) {
    throw new CryptoError(
      'key-exposed',
      `${keyPath} belongs to another user (${stat.uid}): \`chown\` it to the user that runs landropic (${ownUserId})`,
    );
  }
  if ((stat.mode & groupAndOthers) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    throw new CryptoError(
      'key-exposed',
      `other users may read or change ${keyPath} (mode ${mode}): \`chmod 600\` it, and if somebody may have copied it, ` +
        'move it away so that a new one is made',
    );
  }
}

function storeWithoutOverwriting(keyPath: string, text: string): void {
  const directory = path.dirname(keyPath);
  const temporaryPath = path.join(
    directory,
    `.${path.basename(keyPath)}.${randomBytes(8).toString('hex')}.tmp`,
  );
  try {
    writeFlushed(temporaryPath, text);
    // A link fails where a rename would replace.
    fs.linkSync(temporaryPath, keyPath);
    fs.unlinkSync(temporaryPath);
    flushDirectory(directory);
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') {
      throw new CryptoError('key-exists', `${keyPath} is there already and is not overwritten`, { cause });
    }
    throw new CryptoError(
      'key-unwritable',
      `the device key cannot be stored at ${keyPath}: ${messageOf(cause)}`,
      { cause },
    );
  } finally {
    fs.rmSync(temporaryPath, { force: true });
  }
}

function writeFlushed(filePath: string, text: string): void {
  const descriptor = fs.openSync(filePath, 'wx', ownerOnly);
  try {
    fs.fchmodSync(descriptor, ownerOnly);
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function flushDirectory(directory: string): void {
  // Windows does not open directories; its file system journals the new name itself.
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function unreadable(keyPath: string, cause: unknown): CryptoError {
  return new CryptoError(
    'key-unreadable',
    `the device key at ${keyPath} cannot be read: ${messageOf(cause)}`,
    { cause },
  );
}

function hasCryptoCode(error: unknown, code: CryptoError['code']): boolean {
  return error instanceof CryptoError && error.code === code;
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
