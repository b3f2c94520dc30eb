import type { Clock, RandomBytes } from '../core/ports/clock.js';
import type { HistoryItem, Intent } from '../core/ports/content-index.js';
import type { IntentLog, IntentTransaction } from './intent-log.js';

/** Intents in memory, and time and chance that are the same each time: for the applier's tests. */
export class TestIntents implements IntentLog {
  readonly history: HistoryItem[] = [];
  #intents = new Map<string, Intent>();
  #count = 0;

  intents(): readonly Intent[] {
    return [...this.#intents.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  transact<T>(work: (tx: IntentTransaction) => T): T {
    return work({
      addIntent: (intent) => this.#intents.set(intent.id, intent),
      removeIntent: (id) => this.#intents.delete(id),
      addHistory: (item) => this.history.push(item),
    });
  }

  remove(id: string): void {
    this.#intents.delete(id);
  }

  chance(): { clock: Clock; randomBytes: RandomBytes } {
    const randomBytes: RandomBytes = (count) => {
      this.#count++;
      return Uint8Array.from({ length: count }, (_, i) => (this.#count >>> (8 * (i % 4))) & 0xff);
    };
    const clock: Clock = {
      nowMs: () => 1_700_000_000_000 + this.#count,
      monotonicMs: () => this.#count,
      after: () => () => undefined,
    };
    return { clock, randomBytes };
  }
}
