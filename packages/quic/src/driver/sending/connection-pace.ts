import type { QuicheConnection } from '../quiche-binding.js';
import type { CongestionWindow } from './congestion-window.js';
import { SendPacing } from './send-pacing.js';
import type { SendScheduler } from './send-scheduler.js';

export interface ConnectionPaceDependencies {
  readonly quiche: QuicheConnection;
  readonly window: CongestionWindow;
  readonly scheduler: SendScheduler;
  /** Lets the connection work again in about a millisecond. */
  readonly resumeLater: () => void;
}

/** Paces one connection: feeds {@link SendPacing} with what quiche tells. */
export class ConnectionPace {
  readonly #pacing = new SendPacing();

  constructor(private readonly dependencies: ConnectionPaceDependencies) {}

  allowance(now: number): number {
    return this.#pacing.allowance(now);
  }

  noteSent(bytes: number): void {
    this.#pacing.noteSent(bytes);
  }

  /** After everything was sent that could be. */
  handleTurn(): void {
    const { scheduler, resumeLater } = this.dependencies;
    const bulk = scheduler.someBulk;
    if (bulk === undefined) {
      this.#pacing.handleIdle();
      return;
    }
    const now = performance.now();
    if (this.#pacing.isPhaseOver(now)) this.#endPhase(now, bulk.id);
    this.#pacing.noteWaiting();
    resumeLater();
  }

  #endPhase(now: number, streamId: number): void {
    const { quiche, window } = this.dependencies;
    const { cwnd, sentBytes, lostBytes } = window.readFigures(now);
    let capacity: number;
    try {
      capacity = quiche.streamCapacity(streamId);
    } catch {
      // The stream is over; another one tells more in a moment.
      return;
    }
    const inFlightBytes = Math.max(0, cwnd - capacity);
    this.#pacing.handlePhase({ nowMs: now, sentBytes, lostBytes, inFlightBytes });
  }
}
