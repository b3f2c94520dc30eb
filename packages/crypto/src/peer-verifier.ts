import { type KeyObject, X509Certificate } from 'node:crypto';
import { type DeviceId, deviceIdFromSpki } from './device-id.js';

/** What came of looking at a peer's certificate. `reason` may be shown to the peer: it says nothing about us. */
export type PeerDecision =
  | { readonly accepted: true; readonly deviceId: DeviceId }
  | {
      readonly accepted: false;
      readonly code: 'no-certificate' | 'bad-certificate' | 'bad-key' | 'not-allowed' | 'own-key';
      readonly reason: string;
      /** Who was refused, where the key was good. */
      readonly deviceId?: DeviceId;
    };

/** Ours have about 330 bytes. */
const maxCertificateBytes = 4096;

/**
 * Judges the certificate chain (DER, leaf first) of a peer that has proven to hold the leaf's key. Exactly one
 * certificate, self-signed by a P-256 key; names, dates and extensions mean nothing. Never throws, unless `isAllowed` does;
 * that is asked at every connection, so that what it says is never out of date.
 */
export function createPeerVerifier(options: {
  readonly ownId: DeviceId;
  readonly isAllowed: (id: DeviceId) => boolean;
}): (chainDer: readonly Uint8Array[]) => PeerDecision {
  return (chainDer) => {
    const identified = identify(chainDer);
    if (!identified.accepted) return identified;
    const { deviceId } = identified;
    if (deviceId === options.ownId) {
      return { accepted: false, code: 'own-key', reason: 'a device does not connect to itself', deviceId };
    }
    if (!options.isAllowed(deviceId)) {
      return { accepted: false, code: 'not-allowed', reason: 'not paired', deviceId };
    }
    return identified;
  };
}

function identify(chainDer: readonly Uint8Array[]): PeerDecision {
  const [leafDer, ...others] = chainDer;
  if (leafDer === undefined) return refuse('no-certificate', 'no certificate was sent');
  if (others.length > 0) return refuse('bad-certificate', 'more than one certificate was sent');
  if (leafDer.length > maxCertificateBytes) return refuse('bad-certificate', 'the certificate is too large');
  const certificate = parseCertificate(leafDer);
  if (certificate === undefined) return refuse('bad-certificate', 'the certificate cannot be parsed');
  try {
    const key = certificate.publicKey;
    const deviceId = deviceIdFromSpki(key.export({ type: 'spki', format: 'der' }));
    return isSelfSigned(certificate, key)
      ? { accepted: true, deviceId }
      : refuse('bad-certificate', 'the certificate is not signed with its own key');
  } catch {
    // OpenSSL refuses points off the curve and unknown kinds of keys; the device ID everything but our one encoding.
    return refuse('bad-key', "the certificate's key is not an ECDSA P-256 key");
  }
}

function parseCertificate(der: Uint8Array): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der);
    // Node takes PEM text and lax encodings as well, and ignores what follows a certificate.
    return certificate.raw.equals(der) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function isSelfSigned(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.verify(key);
  } catch {
    return false;
  }
}

function refuse(code: 'no-certificate' | 'bad-certificate' | 'bad-key', reason: string): PeerDecision {
  return { accepted: false, code, reason };
}
