import type { ContentIndex, IndexTransaction } from '../core/ports/content-index.js';

/** What the applier may do with the index: the held rows are its caller's. */
export interface IntentLog extends Pick<ContentIndex, 'intents'> {
  transact<T>(work: (tx: IntentTransaction) => T): T;
}

export type IntentTransaction = Pick<IndexTransaction, 'addIntent' | 'removeIntent' | 'addHistory'>;
