import type { ConnectionSetup } from './connection-host.js';
import { DeadlineTimer } from './deadline-timer.js';

/** What else a connection waits for just now, in ms of the same clock; `Infinity` for nothing. */
export interface OtherDeadlines {
  readonly isVerified: boolean;
  readonly packetSizeMs: number;
  readonly identificationMs: number;
  readonly closingMs: number;
  readonly stallCheckMs: number;
}

/** When a connection has to act although nothing arrives. Times in ms, monotonic. */
export class ConnectionDeadlines {
  readonly #timer: DeadlineTimer;
  #handshakeMs: number;
  #keepAliveMs: number;

  constructor(
    private readonly setup: Pick<ConnectionSetup, 'quiche' | 'handshakeTimeoutMs'>,
    private readonly keepAliveIntervalMs: number,
    onDeadline: () => void,
  ) {
    const now = performance.now();
    this.#handshakeMs = now + setup.handshakeTimeoutMs;
    this.#keepAliveMs = now + keepAliveIntervalMs;
    this.#timer = new DeadlineTimer(onDeadline);
  }

  /** Something arrived: the peer is alive. */
  noteReceived(now: number): void {
    this.#keepAliveMs = now + this.keepAliveIntervalMs;
  }

  /** The handshake has come to its end, one way or the other. */
  endHandshake(): void {
    this.#handshakeMs = Number.POSITIVE_INFINITY;
  }

  isHandshakeOverdue(now: number): boolean {
    return now >= this.#handshakeMs;
  }

  /** Whether the peer should be asked for a sign of life; if so, not again before the next interval. */
  takeKeepAlive(now: number): boolean {
    if (now < this.#keepAliveMs) return false;
    this.noteReceived(now);
    return true;
  }

  arm(now: number, others: OtherDeadlines): void {
    const quicheMs = this.setup.quiche.timeout();
    let deadline = quicheMs === null ? Number.POSITIVE_INFINITY : now + quicheMs;
    deadline = others.isVerified
      ? Math.min(deadline, this.#keepAliveMs, others.packetSizeMs, others.identificationMs)
      : Math.min(deadline, this.#handshakeMs);
    this.#timer.setDeadline(Math.min(deadline, others.closingMs, others.stallCheckMs));
  }

  stop(): void {
    this.#timer.stop();
  }
}
