import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { LogLimiter } from '../observability/log-limiter.js';

export interface SyncLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A session that has been up this long without a new problem shows that the last one is over. */
const SOUND_MS = 60_000;

/**
 * What is wrong with each paired device, for `status`, and what is logged of devices: however often one comes and goes
 * or breaks the protocol, it fills neither.
 */
export class DeviceProblems {
  private readonly problems = new Map<DeviceKey, { readonly text: string; readonly atMs: number }>();
  private readonly limiter: LogLimiter;

  constructor(
    private readonly clock: Clock,
    private readonly log: SyncLog,
  ) {
    this.limiter = new LogLimiter(() => clock.monotonicMs());
  }

  /** `text` is for a person, and says what the device did. */
  note(device: DeviceKey, text: string, fields: object = {}): void {
    this.problems.set(device, { text, atMs: this.clock.monotonicMs() });
    this.write('warn', device, { text, ...fields }, 'a device misbehaves');
  }

  /** `upForMs`: for how long its session has been up. */
  of(device: DeviceKey, upForMs: number | undefined): string | undefined {
    const problem = this.problems.get(device);
    if (problem === undefined) return undefined;
    const ageMs = this.clock.monotonicMs() - problem.atMs;
    if (upForMs === undefined || Math.min(upForMs, ageMs) < SOUND_MS) return problem.text;
    this.problems.delete(device);
    return undefined;
  }

  forget(device: DeviceKey): void {
    this.problems.delete(device);
  }

  /** Logs about one device, unless it was just said often. */
  write(level: keyof SyncLog, device: DeviceKey, fields: object, message: string): void {
    const heldBack = this.limiter.admit(`${device} ${message}`);
    if (heldBack === undefined) return;
    this.log[level]({ device, ...fields, ...(heldBack > 0 ? { heldBack } : {}) }, message);
  }
}
