import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { buildCertificate } from './certificate.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const now = new Date('2026-03-04T05:06:07Z');

describe('the certificate', () => {
  const certificate = new X509Certificate(buildCertificate(privateKey, now));

  it('carries the key and is signed with it', () => {
    expect(certificate.verify(publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(privateKey)).toBe(true);
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(
      createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    );
  });

  it('says nothing of the device or of when it was made', () => {
    expect(certificate.subject).toBe('CN=landropic');
    expect(certificate.issuer).toBe('CN=landropic');
    expect(certificate.subjectAltName).toBeUndefined();
    expect(new Date(certificate.validFrom)).toEqual(new Date('2026-03-03T00:00:00Z'));
    expect(new Date(certificate.validTo)).toEqual(new Date('2046-03-03T00:00:00Z'));
  });

  it('is another one each time, under the same key', () => {
    const again = new X509Certificate(buildCertificate(privateKey, now));
    expect(again.serialNumber).not.toBe(certificate.serialNumber);
    expect(again.verify(publicKey)).toBe(true);
  });

  it('dates beyond 2049 right', () => {
    const late = new X509Certificate(buildCertificate(privateKey, new Date('2055-01-02T00:00:00Z')));
    expect(new Date(late.validFrom)).toEqual(new Date('2055-01-01T00:00:00Z'));
    expect(new Date(late.validTo)).toEqual(new Date('2075-01-01T00:00:00Z'));
  });

  it('comes out right whatever bytes the serial number and signature happen to have', () => {
    for (let count = 0; count < 200; count += 1) {
      const pem = buildCertificate(privateKey, now);
      expect(new X509Certificate(pem).verify(publicKey)).toBe(true);
    }
  });
});
