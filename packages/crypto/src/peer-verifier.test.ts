import { ECDH, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCertificate } from './certificate.js';
import { type DeviceId, deviceIdFromSpki } from './device-id.js';
import { createPeerVerifier } from './peer-verifier.js';

interface Peer {
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
  readonly id: DeviceId;
  readonly der: Buffer;
}

function makePeer(): Peer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey, spki, id: deviceIdFromSpki(spki), der: toDer(buildCertificate(privateKey)) };
}

function toDer(pem: string): Buffer {
  return Buffer.from(new X509Certificate(pem).raw);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** A certificate with any public key in it, signed with any private key. */
function forge(spki: Uint8Array, signer: KeyObject, padding = 0): Buffer {
  const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const name = der(
    0x30,
    der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.alloc(padding + 1, 'x')))),
  );
  const date = der(0x17, Buffer.from('250101000000Z'));
  const tbs = der(0x30, der(0x02, Buffer.from([7])), algorithm, name, der(0x30, date, date), name, spki);
  const signature = sign('sha256', tbs, signer);
  return der(0x30, tbs, algorithm, der(0x03, Buffer.from([0]), signature));
}

const me = makePeer();
const friend = makePeer();
const stranger = makePeer();
const verify = createPeerVerifier({ ownId: me.id, isAllowed: (id) => id === friend.id || id === me.id });
const spkiPrefix = friend.spki.subarray(0, 26);
const point = friend.spki.subarray(26);

describe('whom it lets in', () => {
  it('the owner of an allowed key', () => {
    expect(verify([friend.der])).toEqual({ accepted: true, deviceId: friend.id });
  });

  it('also with a certificate renewed under the same key, with other names and past dates', () => {
    const renewed = toDer(buildCertificate(friend.privateKey, new Date('2001-01-01')));
    expect(verify([renewed])).toEqual({ accepted: true, deviceId: friend.id });
    expect(verify([forge(friend.spki, friend.privateKey)])).toEqual({ accepted: true, deviceId: friend.id });
  });

  it('nobody else, and says who it was', () => {
    expect(verify([stranger.der])).toMatchObject({
      accepted: false,
      code: 'not-allowed',
      deviceId: stranger.id,
    });
  });

  it('not itself, even when allowed', () => {
    expect(verify([me.der])).toMatchObject({ accepted: false, code: 'own-key', deviceId: me.id });
  });

  it('nobody any more from the moment that the answer changes', () => {
    let allowed = true;
    const verifyNow = createPeerVerifier({ ownId: me.id, isAllowed: () => allowed });
    expect(verifyNow([friend.der]).accepted).toBe(true);
    allowed = false;
    expect(verifyNow([friend.der])).toMatchObject({ accepted: false, code: 'not-allowed' });
  });
});

describe('hostile certificates', () => {
  const compressed = Buffer.from(
    ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed') as Buffer,
  );
  const hybrid = Buffer.from(ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'hybrid') as Buffer);
  const offCurve = Buffer.from(point).fill(0xaa, 40);
  const ecAlgorithm = spkiPrefix.subarray(2, 23);
  const explicit = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync('ed25519');
  const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

  it.each<[string, string, readonly Uint8Array[]]>([
    ['none', 'no-certificate', []],
    ['two', 'bad-certificate', [friend.der, friend.der]],
    ['an empty one', 'bad-certificate', [new Uint8Array(0)]],
    ['a certificate cut short', 'bad-certificate', [friend.der.subarray(0, -1)]],
    ['bytes behind the certificate', 'bad-certificate', [Buffer.concat([friend.der, Buffer.from([0])])]],
    ['PEM', 'bad-certificate', [Buffer.from(buildCertificate(friend.privateKey))]],
    ['a huge one', 'bad-certificate', [forge(friend.spki, friend.privateKey, 4000)]],
    ["another's key, signed with one's own", 'bad-certificate', [forge(friend.spki, stranger.privateKey)]],
    ['an RSA key', 'bad-key', [forge(spkiOf(rsa.publicKey), rsa.privateKey)]],
    ['a P-384 key', 'bad-key', [forge(spkiOf(p384.publicKey), p384.privateKey)]],
    ['an Ed25519 key', 'bad-key', [forge(spkiOf(ed25519.publicKey), friend.privateKey)]],
    ['explicit curve parameters', 'bad-key', [forge(spkiOf(explicit.publicKey), explicit.privateKey)]],
    [
      'a compressed point',
      'bad-key',
      [forge(der(0x30, ecAlgorithm, der(0x03, Buffer.from([0]), compressed)), friend.privateKey)],
    ],
    ['a hybrid point', 'bad-key', [forge(Buffer.concat([spkiPrefix, hybrid]), friend.privateKey)]],
    ['a point off the curve', 'bad-key', [forge(Buffer.concat([spkiPrefix, offCurve]), friend.privateKey)]],
  ])('refuses %s', (_, code, chain) => {
    expect(verify(chain)).toMatchObject({ accepted: false, code });
    expect(verify(chain)).not.toHaveProperty('deviceId');
  });

  it('refuses a signature with any bit changed', () => {
    for (let offset = 1; offset <= 60; offset += 1) {
      const changed = Buffer.from(friend.der);
      changed[changed.length - offset] = (changed[changed.length - offset] ?? 0) ^ 1;
      expect(verify([changed])).toMatchObject({ accepted: false, code: 'bad-certificate' });
    }
  });

  it('never throws and lets nothing in that was changed anywhere', () => {
    fc.assert(
      fc.property(fc.nat(friend.der.length - 1), fc.integer({ min: 1, max: 255 }), (offset, mask) => {
        const changed = Buffer.from(friend.der);
        changed[offset] = (changed[offset] ?? 0) ^ mask;
        expect(verify([changed]).accepted).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws on garbage', () => {
    const garbage = fc.uint8Array({ maxLength: 600 });
    const sequences = garbage.map((bytes) => der(0x30, bytes));
    fc.assert(
      fc.property(fc.oneof(garbage, sequences), (bytes) => {
        expect(verify([bytes])).toMatchObject({ accepted: false, code: 'bad-certificate' });
      }),
      { numRuns: 500 },
    );
  });
});
