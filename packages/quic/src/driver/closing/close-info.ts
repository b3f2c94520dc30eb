import { transportCloseCodes } from '../../close-codes.js';
import type { CloseInfo } from '../../transport.js';
import type { QuicheConnection, QuicheConnectionError } from '../quiche-binding.js';

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
  return error.isApp
    ? ''
    : `transport error ${transportCloseCodes.nameOf(error.errorCode) ?? error.errorCode}`;
}
