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
    const onAbort = (): void => reject(abortedError(signal, what));
    const forgetSignal = (): void => signal.removeEventListener('abort', onAbort);
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
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

export function abortedError(signal: AbortSignal, what: string): TransportError {
  return new TransportError('aborted', `${what} was given up`, { cause: signal.reason });
}
