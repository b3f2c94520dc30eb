import type { Urgency } from './transport.js';

/**
 * Named levels for `OpenOptions.urgency` and `setUrgency`: `openBidi({ urgency: Priority.critical })`. What is more urgent
 * goes out first, whatever was written before it. `normal` is what a stream has when nobody says anything.
 */
export const Priority = {
  /** Small and awaited by everything else: control, keep-alive, cancellation. Keep it small: it stops all the rest. */
  critical: 0,
  /** A person waits for it, or other work does. */
  high: 1,
  normal: 3,
  /** Large and in no hurry. */
  low: 5,
  /** Only when nothing else has anything to send. */
  background: 7,
} as const satisfies Readonly<Record<string, Urgency>>;

export type Priority = keyof typeof Priority;
