import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SocketAddress } from '../../transport.js';

/**
 * Stateless Retry: a token proves that its holder receives packets at the address it sends from.
 * Layout: issue time in ms (u64 BE) · length of the original connection ID (u8) · that ID · HMAC-SHA-256.
 * The MAC covers the address and the connection ID that we chose for the Retry as well, so a token fits one attempt.
 */
export interface RetryTokenContext {
  readonly remote: SocketAddress;
  readonly retryConnectionId: Uint8Array;
}

const LIFETIME_MS = 10_000;
const MAC_BYTES = 32;
const MAX_ID_BYTES = 20;

export function mintRetryToken(
  key: Uint8Array,
  context: RetryTokenContext,
  originalConnectionId: Uint8Array,
  nowMs: number,
): Buffer {
  const head = Buffer.alloc(9 + originalConnectionId.length);
  head.writeBigUInt64BE(BigInt(Math.floor(nowMs)), 0);
  head[8] = originalConnectionId.length;
  head.set(originalConnectionId, 9);
  return Buffer.concat([head, computeMac(key, context, head)]);
}

/** The original connection ID of a token that is ours, fresh, and meant for this address; otherwise undefined. */
export function openRetryToken(
  key: Uint8Array,
  context: RetryTokenContext,
  token: Uint8Array,
  nowMs: number,
): Buffer | undefined {
  if (token.length < 9 + MAC_BYTES || token.length > 9 + MAX_ID_BYTES + MAC_BYTES) return undefined;
  const bytes = Buffer.from(token);
  const head = bytes.subarray(0, bytes.length - MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(head.length), computeMac(key, context, head))) return undefined;
  if (head[8] !== head.length - 9) return undefined;
  const ageMs = nowMs - Number(head.readBigUInt64BE(0));
  if (ageMs < -1 || ageMs > LIFETIME_MS) return undefined;
  return head.subarray(9);
}

function computeMac(key: Uint8Array, context: RetryTokenContext, head: Uint8Array): Buffer {
  return createHmac('sha256', key)
    .update(`${context.remote.host}|${context.remote.port}|`)
    .update(context.retryConnectionId)
    .update(head)
    .digest();
}
