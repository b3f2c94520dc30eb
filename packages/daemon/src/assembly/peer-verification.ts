import { createPeerVerifier, type DeviceId } from '@landropic/crypto';
import type { PeerVerdict, VerifyPeer } from '@landropic/quic';
import { ALPN, CloseCode, PAIRING_ALPN } from '../core/wire/frame-types.js';

/** Lets in paired devices under the protocol, and any device with a sound certificate under pairing. */
export function verifyIncoming(ownId: DeviceId, isPaired: (id: DeviceId) => boolean): VerifyPeer {
  const paired = createPeerVerifier({ ownId, isAllowed: isPaired });
  const anybody = createPeerVerifier({ ownId, isAllowed: () => true });
  return (chain, alpn) => {
    if (alpn === PAIRING_ALPN) return verdictOf(anybody(chain));
    return alpn === ALPN
      ? verdictOf(paired(chain))
      : { accepted: false, closeCode: CloseCode.handshakeFailed, reason: 'unknown protocol' };
  };
}

/** For a dialler who expects one certain device. */
export function verifyDevice(ownId: DeviceId, expected: DeviceId): VerifyPeer {
  const verifier = createPeerVerifier({ ownId, isAllowed: (id) => id === expected });
  return (chain) => verdictOf(verifier(chain));
}

function verdictOf(decision: ReturnType<ReturnType<typeof createPeerVerifier>>): PeerVerdict {
  if (decision.accepted) return { accepted: true, identity: { key: decision.deviceId } };
  const known = decision.code === 'not-allowed' || decision.code === 'own-key';
  return {
    accepted: false,
    closeCode: known ? CloseCode.notPaired : CloseCode.handshakeFailed,
    reason: decision.reason,
  };
}
