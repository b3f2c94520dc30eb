import type { CloseInfo } from '../transport.js';
import type { QuicheConnection, QuicheConnectionError } from './quiche-binding.js';

/** QUIC's INTERNAL_ERROR: this side gives the connection up so that a fresh one can replace it. */
export const INTERNAL_ERROR = 0x1;
/** QUIC's AEAD_LIMIT_REACHED: the keys have been used as often as they may. */
export const AEAD_LIMIT_REACHED = 0xf;
/** CRYPTO_ERROR with the alert "certificate required". */
export const CERTIFICATE_REQUIRED = 0x174;
/** Longest reason that goes into a close: it must fit into the smallest packet. */
const MAX_REASON_BYTES = 256;

export function encodeReason(reason: string): Uint8Array {
  return Buffer.from(reason).subarray(0, MAX_REASON_BYTES);
}

/** How a connection that quiche calls closed or draining came to its end. */
export function readCloseInfo(quiche: QuicheConnection): CloseInfo {
  const peerError = quiche.peerError();
  if (peerError !== null) return describeClose(peerError, peerError.isApp ? 'peer' : 'transport');
  if (quiche.isTimedOut()) return { by: 'timeout', reason: 'no packet within the idle timeout' };
  const localError = quiche.localError();
  if (localError !== null) return describeClose(localError, localError.isApp ? 'local' : 'transport');
  return { by: 'transport', reason: 'the peer no longer knows this connection' };
}

function describeClose(error: QuicheConnectionError, by: CloseInfo['by']): CloseInfo {
  const text = Buffer.from(error.reason).toString('utf8');
  return { by, code: error.errorCode, reason: text === '' ? defaultReason(error) : text };
}

function defaultReason(error: QuicheConnectionError): string {
  if (error.isApp) return '';
  const isTls = error.errorCode >= 0x100 && error.errorCode <= 0x1ff;
  return isTls ? `TLS alert ${error.errorCode - 0x100}` : `transport error ${error.errorCode}`;
}
