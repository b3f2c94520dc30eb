import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import forge from 'node-forge';

const { asn1 } = forge;
const { Class, Type } = asn1;

const commonNameOid = '2.5.4.3';
const ecdsaWithSha256Oid = '1.2.840.10045.4.3.2';
const subject = 'landropic';
const dayMs = 86_400_000;
const validityYears = 20;

/**
 * A self-signed certificate (PEM) for this P-256 private key: the same subject for every device, dates whole days, and
 * nothing else, because whoever connects may read it. Peers look at the key and ignore the dates.
 */
export function buildCertificate(privateKey: KeyObject, now: Date = new Date()): string {
  const spkiDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const tbs = sequence(
    explicitTag(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    signatureAlgorithm(),
    distinguishedName(),
    validity(now),
    distinguishedName(),
    asn1.fromDer(spkiDer.toString('latin1')),
  );
  const tbsDer = Buffer.from(asn1.toDer(tbs).getBytes(), 'latin1');
  const signature = sign('sha256', tbsDer, { key: privateKey, dsaEncoding: 'der' });
  const certificate = sequence(tbs, signatureAlgorithm(), bitString(signature));
  return toPem(Buffer.from(asn1.toDer(certificate).getBytes(), 'latin1'));
}

function serialNumber(): Buffer {
  const serial = randomBytes(16);
  // Positive and without a leading zero byte, whatever was drawn.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function validity(now: Date): forge.asn1.Asn1 {
  // A day back, so that a clock that is somewhat behind finds it valid too.
  const notBefore = new Date(Math.floor(now.getTime() / dayMs) * dayMs - dayMs);
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + validityYears);
  return sequence(time(notBefore), time(notAfter));
}

function time(date: Date): forge.asn1.Asn1 {
  // Two-digit years end with 2049.
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

function distinguishedName(): forge.asn1.Asn1 {
  const attribute = sequence(objectIdentifier(commonNameOid), primitive(Type.UTF8, subject));
  return sequence(asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute]));
}

function signatureAlgorithm(): forge.asn1.Asn1 {
  return sequence(objectIdentifier(ecdsaWithSha256Oid));
}

function sequence(...children: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, children);
}

function explicitTag(tag: number, child: forge.asn1.Asn1): forge.asn1.Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, true, [child]);
}

function primitive(type: forge.asn1.Type, value: string): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, value);
}

function integer(bytes: Buffer): forge.asn1.Asn1 {
  return primitive(Type.INTEGER, bytes.toString('latin1'));
}

function objectIdentifier(oid: string): forge.asn1.Asn1 {
  return primitive(Type.OID, asn1.oidToDer(oid).getBytes());
}

function bitString(bytes: Buffer): forge.asn1.Asn1 {
  return primitive(Type.BITSTRING, `\0${bytes.toString('latin1')}`);
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
