import type { TlsCredentials } from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import { MAX_PACKET_BYTES, type QuicheConfig, quiche } from './quiche-binding.js';

/** The one signature algorithm: ECDSA over P-256. Anything else would have to be judged too. */
const SIGNATURE_ALGORITHMS = 'ecdsa_secp256r1_sha256';
/** quiche follows a peer to so many addresses; with its default of two, the second change would be the last. */
export const MAX_PATHS = 64;
/** Datagrams (RFC 9221) held each way; the oldest is dropped beyond. */
const DATAGRAM_QUEUE_LENGTH = 64;

/**
 * A configuration that asks for the peer's certificate and lets every certificate through TLS, because trust is decided
 * by `verifyPeer`, not by authorities. Packet size, protocols and reset token are set before each connection.
 */
export function buildQuicheConfig(credentials: TlsCredentials, profile: TransportProfile): QuicheConfig {
  const config = quiche.Config.withBoringSslCtx(
    true,
    true,
    null,
    [Buffer.from(credentials.keyPem)],
    [Buffer.from(credentials.certificatePem)],
    SIGNATURE_ALGORITHMS,
  );
  config.grease(true);
  config.setMaxIdleTimeout(profile.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(MAX_PACKET_BYTES);
  config.setInitialMaxData(profile.initialConnectionWindowBytes);
  config.setInitialMaxStreamDataBidiLocal(profile.initialStreamWindowBytes);
  config.setInitialMaxStreamDataBidiRemote(profile.initialStreamWindowBytes);
  config.setInitialMaxStreamDataUni(profile.initialStreamWindowBytes);
  config.setInitialMaxStreamsBidi(profile.maxBidiStreams);
  config.setInitialMaxStreamsUni(profile.maxUniStreams);
  config.setMaxStreamWindow(profile.maxStreamWindowBytes);
  config.setMaxConnectionWindow(profile.maxConnectionWindowBytes);
  config.setCcAlgorithmName(profile.congestionControl);
  config.setActiveConnectionIdLimit(MAX_PATHS);
  // The binding does not tell when a paced packet would be due: SendPacing paces instead.
  config.enablePacing(false);
  config.enableDgram(true, DATAGRAM_QUEUE_LENGTH, DATAGRAM_QUEUE_LENGTH);
  return config;
}
