import { createHmac, randomBytes } from 'node:crypto';

/** Every connection ID that we choose has this length, so that short headers can be routed without parsing. */
export const CONNECTION_ID_BYTES = 16;

export function createConnectionId(): Buffer {
  return randomBytes(CONNECTION_ID_BYTES);
}

/** Connection IDs as map keys: one character per byte. */
export function connectionIdKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
}

/** Stateless reset token (16 bytes) of a connection ID, derived so that nothing has to be stored for it. */
export function deriveResetToken(key: Uint8Array, connectionId: Uint8Array): Buffer {
  return createHmac('sha256', key).update(connectionId).digest().subarray(0, 16);
}

/** The binding takes the token as a 128-bit number and writes it out big-endian. */
export function resetTokenNumber(token: Uint8Array): bigint {
  let value = 0n;
  for (const byte of token) value = (value << 8n) | BigInt(byte);
  return value;
}
