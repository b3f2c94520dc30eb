/** The one import of the native binding; everything else of the driver takes it from here. */
import type { Quiche } from '@matrixai/quic/native/quiche.js';
import binding from '@matrixai/quic/native/quiche.js';

export type {
  Config as QuicheConfig,
  Connection as QuicheConnection,
  ConnectionError as QuicheConnectionError,
} from '@matrixai/quic/native/types.js';

export const quiche: Quiche = binding;

/** Largest packet that quiche builds: its length field has 14 bits. */
export const MAX_PACKET_BYTES = 16_383;
/** What every QUIC path must carry (RFC 9000, section 14). */
export const MIN_PACKET_BYTES = 1_200;
