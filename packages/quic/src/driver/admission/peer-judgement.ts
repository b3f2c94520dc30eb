import { TransportCloseCode } from '../../close-codes.js';
import type { PeerIdentity, PeerVerdict, VerifyPeer } from '../../transport.js';
import type { RejectionReason } from '../../transport-stats.js';
import type { QuicheConnection } from '../quiche-binding.js';

export interface Refusal {
  readonly rejection: RejectionReason;
  /** Whether `closeCode` is the application's, or one of the transport. */
  readonly isApplication: boolean;
  readonly closeCode: number;
  readonly reason: string;
}

export interface PeerJudgement {
  readonly alpn: string;
  readonly chain: readonly Uint8Array[];
  readonly result: { readonly identity: PeerIdentity } | { readonly refusal: Refusal };
}

/** Who the peer of an established connection is; the same for a session that was resumed. */
export function judgePeer(quiche: QuicheConnection, verifyPeer: VerifyPeer): PeerJudgement {
  const alpn = Buffer.from(quiche.applicationProto()).toString('latin1');
  const chain = quiche.peerCertChain() ?? [];
  if (chain.length === 0) {
    const closeCode = TransportCloseCode.tlsCertificateRequired;
    const reason = 'the peer showed no certificate';
    return {
      alpn,
      chain,
      result: { refusal: { rejection: 'no-certificate', isApplication: false, closeCode, reason } },
    };
  }
  const verdict = judge(verifyPeer, chain, alpn);
  if (verdict === undefined) {
    const closeCode = TransportCloseCode.internalError;
    const reason = 'the certificate could not be judged';
    return {
      alpn,
      chain,
      result: { refusal: { rejection: 'peer-refused', isApplication: false, closeCode, reason } },
    };
  }
  if (verdict.accepted) return { alpn, chain, result: { identity: verdict.identity } };
  const { closeCode, reason } = verdict;
  return {
    alpn,
    chain,
    result: { refusal: { rejection: 'peer-refused', isApplication: true, closeCode, reason } },
  };
}

/** Undefined for a certificate that makes the judge stumble: it is not accepted, and that is our fault. */
function judge(verifyPeer: VerifyPeer, chain: readonly Uint8Array[], alpn: string): PeerVerdict | undefined {
  try {
    return verifyPeer(chain, alpn);
  } catch {
    return undefined;
  }
}
