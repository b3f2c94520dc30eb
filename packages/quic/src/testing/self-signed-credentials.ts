import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { TlsCredentials } from '../transport.js';

/**
 * Fresh credentials for tests and benchmarks: an ECDSA P-256 key and a certificate that it signed itself.
 * Programs bring their own; this builds the least that TLS accepts.
 */
export function createSelfSignedCredentials(): TlsCredentials & { readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = sequence(OID_ECDSA_SHA256);
  const name = sequence(set(sequence(OID_COMMON_NAME, tagged(0x0c, Buffer.from('test')))));
  const validity = sequence(
    tagged(0x17, Buffer.from('200101000000Z')),
    tagged(0x17, Buffer.from('491231235959Z')),
  );
  const version = tagged(0xa0, tagged(0x02, Buffer.from([2])));
  const serial = tagged(0x02, Buffer.from([1]));
  const body = sequence(version, serial, algorithm, name, validity, name, spki);
  const signature = sign('sha256', body, privateKey);
  const der = sequence(body, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificatePem: toPem(der),
    key: certificateKey(der),
  };
}

/** What tests use as a peer's identity: a hash of its certificate. */
export function certificateKey(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

const OID_ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const OID_COMMON_NAME = Buffer.from('0603550403', 'hex');

function tagged(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const length =
    body.length < 0x80
      ? Buffer.from([body.length])
      : body.length < 0x100
        ? Buffer.from([0x81, body.length])
        : Buffer.from([0x82, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
}

function sequence(...content: Uint8Array[]): Buffer {
  return tagged(0x30, ...content);
}

function set(...content: Uint8Array[]): Buffer {
  return tagged(0x31, ...content);
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
