import type { EventEmitter } from 'node:events';

/** The events by which Node tells of what nobody caught. */
const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Hands over what nothing else caught, in place of Node's own way, which is to end the process in the middle of whatever
 * it is doing. The returned function ends it.
 */
export function watchForUncaught(
  handle: (error: unknown) => void,
  source: Pick<EventEmitter, 'on' | 'off'> = process,
): () => void {
  const onUncaught = (error: unknown) => handle(error);
  for (const event of EVENTS) source.on(event, onUncaught);
  return () => {
    for (const event of EVENTS) source.off(event, onUncaught);
  };
}
