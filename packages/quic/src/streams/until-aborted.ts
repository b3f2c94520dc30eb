import { setMaxListeners } from 'node:events';
import { TransportError } from '../transport.js';

/** Given to everything that waits. */
export interface WaitOptions {
  /** Ends the wait with a TransportError `aborted`, whose cause is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What the promise gives, unless the signal comes first; then rejects with `aborted`. What the promise stands for goes on,
 * and its failure is nobody's any more.
 */
export function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const forgetSignal = onAbort(signal, () => reject(abortedError(signal, what)));
    promise.then(
      (value) => {
        forgetSignal();
        resolve(value);
      },
      (error: unknown) => {
        forgetSignal();
        reject(error);
      },
    );
  });
}

/**
 * Calls back when the signal comes, at once when it has come. The returned function takes that back. One signal may end
 * any number of waits: there is no warning about how many listen.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => {};
  }
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

export function abortedError(signal: AbortSignal, what: string): TransportError {
  return new TransportError('aborted', `${what} was given up`, { cause: signal.reason });
}
