import type { CloseInfo, SocketAddress } from '../transport.js';

/** Application close codes that dialling knows of. */
export const NOT_PAIRED_CODE = 4;
export const DUPLICATE_CONNECTION_CODE = 5;

/** Addresses tried in one attempt. */
export const MAX_ADDRESSES = 8;

export interface DialPolicyOptions {
  /** Longest wait after the first failure; it doubles with every further one. Default 500. */
  readonly firstBackoffMs?: number;
  /** Default 60,000. */
  readonly maxBackoffMs?: number;
  /** How often news of a device may start the backoff afresh. Default 5,000. */
  readonly resetIntervalMs?: number;
  /** Wait after the peer said that it does not know us. Default 600,000. */
  readonly notPairedDelayMs?: number;
  /** A session that was shorter than this counts as a failure. Default 10,000. */
  readonly soundSessionMs?: number;
}

const DEFAULTS: Required<DialPolicyOptions> = {
  firstBackoffMs: 500,
  maxBackoffMs: 60_000,
  resetIntervalMs: 5_000,
  notPairedDelayMs: 600_000,
  soundSessionMs: 10_000,
};

/**
 * When to dial a device again. Times are ms on one monotonic clock.
 *
 * Waits double from 0.5 s to 60 s and are drawn from the whole of that range, so that devices which lost each other at the
 * same moment do not dial at the same moments. A peer that does not know us is left alone for ten minutes, whatever
 * discovery says: it is announced all the time.
 */
export class DialPolicy {
  private readonly options: Required<DialPolicyOptions>;
  private failures = 0;
  private isNotPaired = false;
  private lastResetMs = Number.NEGATIVE_INFINITY;
  private upSinceMs: number | undefined;

  constructor(
    private readonly random: () => number,
    options: DialPolicyOptions = {},
  ) {
    this.options = { ...DEFAULTS, ...options };
  }

  /** The peer said that it does not know us, and no one asked to try nevertheless. */
  get notPaired(): boolean {
    return this.isNotPaired;
  }

  /** An attempt failed at all its addresses. Returns how long to wait, in ms. */
  failed(toldNotPaired: boolean): number {
    if (toldNotPaired) {
      this.isNotPaired = true;
      return this.options.notPairedDelayMs;
    }
    const { firstBackoffMs, maxBackoffMs } = this.options;
    const longestMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(this.failures, 30));
    this.failures++;
    this.isNotPaired = false;
    return this.random() * longestMs;
  }

  connected(nowMs: number): void {
    this.upSinceMs = nowMs;
  }

  /** A session ended. Returns how long to wait, in ms. */
  lost(closeInfo: CloseInfo, nowMs: number): number {
    const wasSound = this.upSinceMs !== undefined && nowMs - this.upSinceMs >= this.options.soundSessionMs;
    this.upSinceMs = undefined;
    if (wasSound) this.failures = 0;
    return this.failed(isNotPaired(closeInfo));
  }

  /** Something new is known of where the device is. Whether to dial at once, with the backoff starting afresh. */
  refresh(nowMs: number): boolean {
    if (this.isNotPaired || nowMs - this.lastResetMs < this.options.resetIntervalMs) return false;
    this.lastResetMs = nowMs;
    this.failures = 0;
    return true;
  }

  /** Somebody wants it tried now. */
  reset(): void {
    this.failures = 0;
    this.isNotPaired = false;
  }
}

export function isNotPaired(closeInfo: CloseInfo | undefined): boolean {
  return closeInfo?.by === 'peer' && closeInfo.code === NOT_PAIRED_CODE;
}

/** In the order in which to try them: the last that authenticated first, each once, at most eight. */
export function orderAddresses(
  known: readonly SocketAddress[],
  lastAuthenticated: SocketAddress | undefined,
): readonly SocketAddress[] {
  const first = known.filter((address) => sameAddress(address, lastAuthenticated));
  const ordered: SocketAddress[] = [];
  for (const address of [...first, ...known]) {
    if (!ordered.some((other) => sameAddress(address, other))) ordered.push(address);
  }
  return ordered.slice(0, MAX_ADDRESSES);
}

export function sameAddress(a: SocketAddress, b: SocketAddress | undefined): boolean {
  return a.host === b?.host && a.port === b.port;
}
