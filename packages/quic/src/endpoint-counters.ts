import { TransportCloseCode } from './close-codes.js';
import type { CloseInfo } from './transport.js';
import type { EndpointStats, RejectionReason } from './transport-stats.js';

/** What has become of connections so far. A fixed number of counters: strangers cannot make them grow. */
export class EndpointCounters {
  attempted = 0;
  incoming = 0;
  accepted = 0;
  closed = 0;
  retriesSent = 0;
  resetsSent = 0;
  readonly #rejected: Partial<Record<RejectionReason, number>> = {};
  readonly #refusedByCode: Record<number, number> = {};
  /** Refused, and not ended yet. */
  readonly #refused = new Set<object>();

  /** A refusal was pronounced: what becomes of the connection afterwards is not counted again. */
  handleRefused(connection: object, reason: RejectionReason, closeCode: number): void {
    this.#refused.add(connection);
    if (reason === 'peer-refused') this.countRefused(closeCode);
    else this.countRejected(reason);
  }

  /** `verifyPeer` said no with this code. */
  countRefused(closeCode: number): void {
    this.countRejected('peer-refused');
    this.#refusedByCode[closeCode] = (this.#refusedByCode[closeCode] ?? 0) + 1;
  }

  countRejected(reason: RejectionReason): void {
    this.#rejected[reason] = (this.#rejected[reason] ?? 0) + 1;
  }

  /** A connection has ended. Refusals have been counted already, when they were pronounced. */
  countEnded(
    connection: {
      readonly role: 'dialler' | 'acceptor';
      readonly isVerified: boolean;
    },
    info: CloseInfo,
  ): void {
    if (this.#refused.delete(connection)) return;
    if (connection.isVerified) this.closed += 1;
    else if (connection.role === 'acceptor') this.countRejected(classifyUnverifiedEnd(info));
  }

  read(): Pick<
    EndpointStats,
    | 'attempted'
    | 'incoming'
    | 'accepted'
    | 'closed'
    | 'retriesSent'
    | 'resetsSent'
    | 'rejected'
    | 'refusedByCode'
  > {
    const { attempted, incoming, accepted, closed, retriesSent, resetsSent } = this;
    return {
      attempted,
      incoming,
      accepted,
      closed,
      retriesSent,
      resetsSent,
      rejected: { ...this.#rejected },
      refusedByCode: { ...this.#refusedByCode },
    };
  }
}

/** Why a connection ended before anybody judged its peer. */
function classifyUnverifiedEnd(info: CloseInfo): RejectionReason {
  if (info.by === 'timeout') return 'handshake-timeout';
  if (info.by === 'transport') {
    return info.code === TransportCloseCode.tlsNoApplicationProtocol
      ? 'no-common-protocol'
      : 'handshake-failed';
  }
  return 'handshake-given-up';
}
