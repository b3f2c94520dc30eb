import { TransportCloseCode } from '../../close-codes.js';
import type { QuicheConnection } from '../quiche-binding.js';
import type { Refusal } from './peer-judgement.js';

/** The dialler's first unidirectional stream: the only one that may carry anything before the handshake completes. */
export const EARLY_STREAM_ID = 2;

/** Which sessions an acceptor lets peers resume. */
export interface ResumptionPolicy {
  /** Under any other, a resumed connection is refused. */
  readonly protocols: readonly string[];
  /** After this time tickets have become worthless; one that was just given out may be much older then. Default 1 h. */
  readonly ticketKeyLifetimeMs?: number;
}

/**
 * What an acceptor makes of early data, which is held in quiche until the handshake completes. More than the beginning of
 * one stream has no business there: it would only be held at our cost. Undefined when there is nothing to object to.
 */
export function findEarlyViolation(quiche: QuicheConnection): Refusal | undefined {
  if (!quiche.isInEarlyData()) return undefined;
  let isViolated = quiche.dgramRecvQueueLen() > 0;
  for (const id of quiche.readable()) isViolated ||= id !== EARLY_STREAM_ID;
  return isViolated ? refuse('more came early than the beginning of one stream') : undefined;
}

/** Sessions are good for the protocols of the policy only, whatever TLS lets pass. */
export function findResumptionViolation(
  quiche: QuicheConnection,
  alpn: string,
  policy: ResumptionPolicy | undefined,
): Refusal | undefined {
  if (!quiche.isResumed() || policy?.protocols.includes(alpn) === true) return undefined;
  return refuse('sessions are not resumed under this protocol');
}

function refuse(reason: string): Refusal {
  const closeCode = TransportCloseCode.protocolViolation;
  return { rejection: 'early-data-refused', isApplication: false, closeCode, reason };
}
