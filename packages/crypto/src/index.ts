/** Who a device is: its key, its ID, whom it lets in, and the tickets by which devices come to know each other. */

export { buildCertificate } from './certificate.js';
export {
  type DeviceId,
  deviceIdBytes,
  deviceIdFromBytes,
  deviceIdFromSpki,
  parseDeviceId,
  shortDeviceId,
} from './device-id.js';
export {
  createDeviceKey,
  type DeviceIdentity,
  loadDeviceIdentity,
  loadOrCreateDeviceIdentity,
} from './device-key.js';
export { CryptoError, type CryptoErrorCode } from './errors.js';
export {
  decodeTicket,
  encodeTicket,
  maxTicketAddresses,
  type PairingTicket,
  proofsEqual,
  redeemProof,
  type TicketAddress,
  ticketId,
  ticketIdBytes,
  ticketSecretBytes,
} from './pairing-ticket.js';
export { createPeerVerifier, type PeerDecision } from './peer-verifier.js';
export {
  defaultTicketTtlMs,
  type IssuedTicket,
  maxTicketTtlMs,
  type RedeemOutcome,
  type RedeemRequest,
  TicketBook,
  type TicketBookDependencies,
  type TicketBookOptions,
  type WrongAttempt,
} from './ticket-book.js';
