import type { CloseInfo, Connection } from '../transport.js';
import { TransportError } from '../transport.js';
import type { PoolClock } from './address-race.js';
import { DialPolicy, type DialPolicyOptions, isNotPaired } from './dial-policy.js';
import type { PooledConnectionState, PooledRole } from './pool-state.js';
import type { PooledConnection, ReplaceReason } from './pooled-connection.js';

export interface PoolDialsDependencies {
  readonly clock: PoolClock;
  readonly random: () => number;
  readonly dial: (role: PooledRole, signal: AbortSignal) => Promise<Connection>;
}

export interface PoolDialsEvents {
  ready(connection: Connection, role: PooledRole, replaces: PooledConnection | undefined): void;
  failed(role: PooledRole, replaces: PooledConnection | undefined, why: ReplaceReason | undefined): void;
  /** Whether a connection whose dial was given up has an owner nevertheless. */
  isKept(connection: Connection): boolean;
  /** A wait is over: what is still missing may be dialled. */
  due(): void;
  changed(): void;
}

interface Dial {
  readonly role: PooledRole;
  readonly replaces: PooledConnection | undefined;
  readonly abort: AbortController;
  readonly cancelDeadline: () => void;
}

interface Replacement {
  why: ReplaceReason;
  dial: Dial | undefined;
  cancelRetry: (() => void) | undefined;
}

const SURPLUS = 0;

/**
 * What a pool is dialling, and when it dials again.
 *
 * 1. At most one dial runs for each role, and one for each connection that is to be replaced.
 * 2. After a failure the role waits with jittered backoff before its next dial. Every dial has a deadline.
 * 3. A dial that was given up hands nothing over: what comes of it nevertheless is closed.
 */
export class PoolDials {
  private readonly dials = new Set<Dial>();
  private readonly waits = new Map<PooledRole, () => void>();
  private readonly policies: Record<PooledRole, DialPolicy>;
  private readonly replacements = new Map<PooledConnection, Replacement>();

  constructor(
    private readonly deps: PoolDialsDependencies,
    private readonly timeoutMs: number,
    backoff: DialPolicyOptions | undefined,
    private readonly events: PoolDialsEvents,
  ) {
    this.policies = {
      primary: new DialPolicy(deps.random, backoff),
      data: new DialPolicy(deps.random, backoff),
    };
  }

  /** Those that replace nothing. */
  count(role: PooledRole): number {
    let count = 0;
    for (const dial of this.dials) if (dial.role === role && dial.replaces === undefined) count++;
    return count;
  }

  isBusy(role: PooledRole): boolean {
    return this.count(role) > 0 || this.waits.has(role);
  }

  start(role: PooledRole): void {
    if (!this.isBusy(role)) this.run(role, undefined);
  }

  /** A connection of this role ended by itself: the next dial waits. */
  lost(role: PooledRole, info: CloseInfo): void {
    this.wait(role, this.policies[role].lost(info, this.deps.clock.nowMs()));
  }

  replace(member: PooledConnection, why: ReplaceReason): void {
    const known = this.replacements.get(member);
    if (known !== undefined) {
      // One that ages and now does not answer cannot wait for long any more.
      known.why = why;
      known.cancelRetry?.();
      known.cancelRetry = undefined;
      if (known.dial !== undefined) return;
    }
    const replacement: Replacement = known ?? { why, dial: undefined, cancelRetry: undefined };
    this.replacements.set(member, replacement);
    replacement.dial = this.run(member.role, member);
  }

  /** The connection is gone, and needs no replacement any more. */
  forget(member: PooledConnection): void {
    const replacement = this.replacements.get(member);
    if (replacement === undefined) return;
    this.replacements.delete(member);
    replacement.cancelRetry?.();
    if (replacement.dial !== undefined) this.abandon(replacement.dial);
  }

  giveUp(role: PooledRole): void {
    this.waits.get(role)?.();
    this.waits.delete(role);
    for (const dial of [...this.dials]) if (dial.role === role) this.abandon(dial);
    for (const member of [...this.replacements.keys()]) if (member.role === role) this.forget(member);
  }

  stop(): void {
    this.giveUp('primary');
    this.giveUp('data');
  }

  snapshots(): readonly PooledConnectionState[] {
    return [...this.dials].map(({ role, replaces }) => ({
      id: undefined,
      role,
      state: 'dialling',
      dialledHere: true,
      isReplacement: replaces !== undefined,
      requests: 0,
      load: 0,
      misses: 0,
      roundTripMs: undefined,
      lossShare: 0,
      keyUse: 0,
    }));
  }

  private run(role: PooledRole, replaces: PooledConnection | undefined): Dial {
    const abort = new AbortController();
    const late = new TransportError('handshake-timeout', 'the connection was not ready in time');
    const cancelDeadline = this.deps.clock.after(this.timeoutMs, () => this.failed(dial, late));
    const dial: Dial = { role, replaces, abort, cancelDeadline };
    this.dials.add(dial);
    this.deps.dial(role, abort.signal).then(
      (connection) => this.ready(dial, connection),
      (error: unknown) => this.failed(dial, error),
    );
    this.events.changed();
    return dial;
  }

  private ready(dial: Dial, connection: Connection): void {
    if (!this.dials.has(dial)) {
      if (!this.events.isKept(connection)) void connection.close(SURPLUS, 'not needed any more');
      return;
    }
    this.finish(dial);
    if (dial.replaces !== undefined) this.replacements.delete(dial.replaces);
    this.policies[dial.role].connected(this.deps.clock.nowMs());
    this.events.ready(connection, dial.role, dial.replaces);
  }

  private failed(dial: Dial, error: unknown): void {
    if (!this.dials.has(dial)) return;
    this.finish(dial);
    dial.abort.abort(error);
    const { role, replaces } = dial;
    const toldNotPaired = error instanceof TransportError && isNotPaired(error.details.closeInfo);
    const waitMs = this.policies[role].failed(toldNotPaired);
    const replacement = replaces === undefined ? undefined : this.replacements.get(replaces);
    if (replaces !== undefined && replacement?.why === 'aged') this.retry(replaces, replacement, waitMs);
    else {
      if (replaces !== undefined) this.replacements.delete(replaces);
      this.wait(role, waitMs);
    }
    this.events.failed(role, replaces, replacement?.why);
    this.events.changed();
  }

  private retry(member: PooledConnection, replacement: Replacement, waitMs: number): void {
    replacement.dial = undefined;
    replacement.cancelRetry = this.deps.clock.after(waitMs, () => {
      replacement.cancelRetry = undefined;
      replacement.dial = this.run(member.role, member);
    });
  }

  private wait(role: PooledRole, waitMs: number): void {
    this.waits.get(role)?.();
    const cancel = this.deps.clock.after(waitMs, () => {
      this.waits.delete(role);
      this.events.due();
    });
    this.waits.set(role, cancel);
  }

  private abandon(dial: Dial): void {
    this.finish(dial);
    dial.abort.abort(new TransportError('aborted', 'the connection is not needed any more'));
    this.events.changed();
  }

  private finish(dial: Dial): void {
    this.dials.delete(dial);
    dial.cancelDeadline();
  }
}
