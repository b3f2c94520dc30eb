import type { CloseInfo, Connection } from '../transport.js';
import { inOrder, pickLeastLoaded } from './pool-choice.js';
import { PoolDials } from './pool-dials.js';
import { PoolGrowth } from './pool-growth.js';
import {
  type ConnectionPoolDependencies,
  type ConnectionPoolOptions,
  POOL_DEFAULTS,
} from './pool-options.js';
import type { PoolCounts, PooledRole, PoolState } from './pool-state.js';
import { type Lease, type LeaseOptions, PooledConnection, type ReplaceReason } from './pooled-connection.js';

/** While next to nothing is sent, it is looked more rarely. */
const QUIET_FACTOR = 5;
const QUIET_BYTES_PER_SECOND = 32 * 1024;
const MIN_WAIT_MS = 1;
const GOODBYE = 0;

type Counts = { -readonly [K in keyof PoolCounts]: PoolCounts[K] };

/**
 * The connections to one peer: a primary, and up to three for bulk beside it.
 *
 * 1. A request in flight is on one connection that is up, or it was handed back.
 * 2. At most `maxDataConnections` were dialled or handed in and are not draining; one more where one replaces another.
 * 3. What is replaced goes only when its replacement is ready, or when it does not answer and none came in time.
 * 4. Without a primary nothing is dialled but a primary; data connections that wait for one in vain are closed.
 */
export class ConnectionPool {
  private readonly options: typeof POOL_DEFAULTS & ConnectionPoolOptions;
  private readonly members = new Set<PooledConnection>();
  private readonly dials: PoolDials;
  private readonly growth: PoolGrowth;
  private readonly counts: Counts = {
    dialled: 0,
    dialsFailed: 0,
    replaced: 0,
    closedIdle: 0,
    withdrawn: 0,
    lost: 0,
    handedBack: 0,
  };
  private readonly waiting = new Set<() => void>();
  /** Data connections that this side wants to hold open. */
  private wantedData = 0;
  /** Opened because the window is the limit, and not in use yet: requests in flight stay where they are. */
  private onTrial: PooledConnection | undefined;
  private baseRttMs: number | undefined;
  private isRunning = false;
  private sampledAtMs = 0;
  private isQuiet = true;
  private cancelTick: (() => void) | undefined;
  private cancelGrace: (() => void) | undefined;

  constructor(
    private readonly deps: ConnectionPoolDependencies,
    options: ConnectionPoolOptions = {},
  ) {
    this.options = { ...POOL_DEFAULTS, ...options } as typeof POOL_DEFAULTS & ConnectionPoolOptions;
    this.growth = new PoolGrowth(options.growth);
    this.dials = new PoolDials(deps, this.options.dialTimeoutMs, options.backoff, {
      ready: (connection, role, replaces) => this.dialled(connection, role, replaces),
      failed: (role, replaces, why) => this.dialFailed(role, replaces, why),
      isKept: (connection) => this.find(connection) !== undefined,
      due: () => this.fill(),
      changed: () => this.changed(),
    });
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.sampledAtMs = this.deps.clock.nowMs();
    // What the loop did before is nobody's concern here.
    this.deps.loopUtilisation();
    this.fill();
    this.armTick();
  }

  /** Gives up what is being dialled, hands back what is in flight, and closes every connection. Idempotent. */
  async stop(code: number, reason: string): Promise<void> {
    this.isRunning = false;
    this.wantedData = 0;
    this.cancelTick?.();
    this.cancelGrace?.();
    this.cancelGrace = undefined;
    this.dials.stop();
    const closing = [...this.members].map((member) => member.close(code, reason));
    for (const wake of [...this.waiting]) wake();
    await Promise.all(closing);
  }

  /**
   * Takes a connection that came from elsewhere: dialled by the peer, or by the pool's owner. A new primary replaces the
   * one before. False, and nothing is done, where there are enough or the pool does not run.
   */
  adopt(connection: Connection, role: PooledRole): boolean {
    if (!this.isRunning) return false;
    if (this.find(connection) !== undefined) return true;
    // One above the limit may come to replace another.
    if (role === 'data' && this.dataCount() > this.options.maxDataConnections) return false;
    this.add(connection, role, false);
    return true;
  }

  /** The peer said goodbye on it: nothing new goes there, and it closes when what is in flight is done. */
  retire(connection: Connection): void {
    const member = this.find(connection);
    if (member === undefined) return;
    this.dropWish(member);
    member.drain('goodbye', { isMutual: true });
    this.fill();
  }

  /** Picks the connection with the least in flight. Undefined where none is up: see {@link whenReady}. */
  lease(options: LeaseOptions): Lease | undefined {
    return this.pick()?.lease(options);
  }

  /** Resolves once a connection is up, at once where one is. Rejects with the signal's reason, or when the pool is stopped. */
  whenReady(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (signal.aborted) reject(signal.reason);
        else if (this.pick() !== undefined) resolve();
        else if (this.isRunning) return;
        else reject(new Error('the pool was stopped'));
        this.waiting.delete(settle);
        signal.removeEventListener('abort', settle);
      };
      this.waiting.add(settle);
      signal.addEventListener('abort', settle, { once: true });
      settle();
    });
  }

  /** Every connection that is up, the primary first. */
  connections(): readonly Connection[] {
    return inOrder(this.members)
      .filter(({ isUsable }) => isUsable)
      .map(({ connection }) => connection);
  }

  state(): PoolState {
    return {
      connections: [...inOrder(this.members).map((member) => member.snapshot()), ...this.dials.snapshots()],
      counts: { ...this.counts },
      limit: this.growth.limit,
      baseRttMs: this.baseRttMs,
    };
  }

  // ---- members

  private add(connection: Connection, role: PooledRole, isOwn: boolean): PooledConnection {
    const before = role === 'primary' ? this.primary() : undefined;
    const { clock, ping } = this.deps;
    const { drainMs, maxPacketsPerKey, health } = this.options;
    const member: PooledConnection = new PooledConnection(
      {
        connection,
        clock,
        ping,
        sayGoodbye: this.deps.sayGoodbye,
        onChange: () => this.changed(),
        onReplace: (why) => this.replace(member, why),
        onEnded: (info) => this.ended(member, info),
        onHandedBack: (requests) => {
          this.counts.handedBack += requests;
        },
      },
      { role, isOwn, drainMs, maxPacketsPerKey, health },
    );
    this.members.add(member);
    if (role === 'primary') {
      this.cancelGrace?.();
      this.cancelGrace = undefined;
      this.dials.giveUp('primary');
      // A path of its own, perhaps.
      this.baseRttMs = undefined;
      if (before !== undefined) this.supersede(before);
    }
    this.noteRtt(connection.stats().rttMs);
    this.changed();
    this.armTick();
    this.fill();
    return member;
  }

  /** Its replacement is there. */
  private supersede(member: PooledConnection): void {
    this.counts.replaced++;
    this.growth.closed();
    member.drain('another connection takes its place');
  }

  private ended(member: PooledConnection, info: CloseInfo): void {
    this.members.delete(member);
    if (this.onTrial === member) this.onTrial = undefined;
    this.growth.closed();
    this.dials.forget(member);
    const isWanted = info.by === 'local' || (info.by === 'peer' && info.code === GOODBYE);
    if (!isWanted) this.counts.lost++;
    if (member.role === 'primary') this.primaryEnded(info);
    else if (member.isOwn) {
      // The peer does not need it, or does not take it; if it is needed here, that will show again.
      const isRefusal = info.by === 'peer' && (info.code === GOODBYE || member.ageMs < REFUSED_WITHIN_MS);
      if (isRefusal) this.dropWish(member);
      if (!isWanted) this.dials.lost('data', info);
    }
    this.changed();
    this.fill();
  }

  private primaryEnded(info: CloseInfo): void {
    if (!this.isRunning || this.primary() !== undefined) return;
    this.wantedData = 0;
    this.dials.giveUp('data');
    this.cancelGrace ??= this.deps.clock.after(this.options.dataGraceMs, () => {
      this.cancelGrace = undefined;
      for (const member of [...this.members]) void member.close(GOODBYE, 'no primary connection any more');
    });
    if (this.options.keepsPrimary) this.dials.lost('primary', info);
  }

  private replace(member: PooledConnection, why: ReplaceReason): void {
    if (!this.isRunning) return;
    this.dials.replace(member, why);
  }

  private dialled(connection: Connection, role: PooledRole, replaces: PooledConnection | undefined): void {
    if (!this.isRunning || (role === 'data' && this.primary() === undefined)) {
      void connection.close(GOODBYE, 'not needed any more');
      return;
    }
    this.counts.dialled++;
    // A new primary may have been handed in while it was made ready.
    if (this.find(connection) === undefined) this.add(connection, role, true);
    if (replaces?.isUsable === true) this.supersede(replaces);
    else if (role === 'data') this.onTrial = this.find(connection);
  }

  private dialFailed(
    role: PooledRole,
    replaces: PooledConnection | undefined,
    why: ReplaceReason | undefined,
  ): void {
    this.counts.dialsFailed++;
    // If the window is still the limit when the backoff is over, that will show again.
    if (role === 'data' && replaces === undefined) this.wantedData = this.ownDataCount();
    // It was of no use any more; one that only ages serves on while it is tried again.
    if (replaces !== undefined && why === 'unhealthy')
      void replaces.close(UNRESPONSIVE, 'no answer to pings');
  }

  /** Dials what is missing, unless it is being dialled or waits for its time. */
  private fill(): void {
    if (!this.isRunning) return;
    if (this.primary() === undefined) {
      if (this.options.keepsPrimary) this.dials.start('primary');
      return;
    }
    if (this.ownDataCount() < this.wantedData) this.dials.start('data');
  }

  // ---- time

  private armTick(): void {
    this.cancelTick?.();
    this.cancelTick = undefined;
    if (!this.isRunning || this.members.size === 0) return;
    const now = this.deps.clock.nowMs();
    let dueMs = this.sampledAtMs + this.options.sampleMs * (this.isQuiet ? QUIET_FACTOR : 1);
    for (const member of this.members) if (member.isUsable) dueMs = Math.min(dueMs, member.nextDueMs);
    // Sums of fractions may come out a hair too early: a wait of nothing would then be waited for ever.
    this.cancelTick = this.deps.clock.after(Math.max(MIN_WAIT_MS, dueMs - now), () => this.tick());
  }

  private tick(): void {
    const now = this.deps.clock.nowMs();
    for (const member of [...this.members]) member.check(now, this.baseRttMs ?? 0);
    this.closeIdle(now);
    const elapsedMs = now - this.sampledAtMs;
    if (elapsedMs >= this.options.sampleMs) this.sample(now, elapsedMs);
    this.armTick();
  }

  private closeIdle(nowMs: number): void {
    for (const member of this.members) {
      if (member.role === 'primary' || !member.isUsable || member.idleForMs(nowMs) < this.options.idleMs)
        continue;
      this.dropWish(member);
      this.counts.closedIdle++;
      member.drain('not used for a while');
    }
  }

  private sample(nowMs: number, elapsedMs: number): void {
    this.sampledAtMs = nowMs;
    let sentBytes = 0;
    let lostBytes = 0;
    let windowBytes = 0;
    let waitingBytes = 0;
    let isTrialInUse = false;
    for (const member of this.members) {
      const { sent, lost } = member.takeSentBytes();
      sentBytes += sent;
      lostBytes += lost;
      if (!member.isUsable) continue;
      if (member === this.onTrial) isTrialInUse = (sent * 1_000) / elapsedMs > QUIET_BYTES_PER_SECOND;
      const { congestionWindowBytes, rttMs, sendBufferedBytes } = member.connection.stats();
      windowBytes += congestionWindowBytes;
      waitingBytes += sendBufferedBytes;
      this.noteRtt(rttMs);
    }
    const sentBytesPerSecond = (Math.max(0, sentBytes - lostBytes) * 1_000) / elapsedMs;
    this.isQuiet = sentBytesPerSecond < QUIET_BYTES_PER_SECOND;
    const action = this.growth.observe(
      {
        sentBytesPerSecond,
        lostShare: sentBytes === 0 ? 0 : Math.min(1, lostBytes / sentBytes),
        windowBytes,
        waitingBytes,
        baseRttMs: this.baseRttMs ?? 0,
        loopUtilisation: this.deps.loopUtilisation(),
        mayOpen: this.mayOpen(),
      },
      nowMs,
    );
    if (action === 'open') {
      this.wantedData = this.ownDataCount() + 1;
      this.fill();
    } else if (action === 'withdraw') this.withdraw();
    if (!isTrialInUse) return;
    this.onTrial = undefined;
    this.growth.opened();
  }

  /** The first is of the handshake, when nothing waits yet. */
  private noteRtt(rttMs: number): void {
    this.baseRttMs = Math.min(this.baseRttMs ?? rttMs, rttMs);
  }

  private withdraw(): void {
    const newest = [...this.members]
      .filter(({ role, isOwn, isUsable }) => role === 'data' && isOwn && isUsable)
      .at(-1);
    if (newest === undefined) return;
    this.dropWish(newest);
    this.counts.withdrawn++;
    newest.drain('brings nothing');
  }

  /** Once it is gone, no other is dialled in its place. */
  private dropWish(member: PooledConnection): void {
    if (member.role !== 'data' || !member.isWanted) return;
    member.isWanted = false;
    this.wantedData = Math.max(0, this.wantedData - 1);
  }

  // ---- looking

  private pick(): PooledConnection | undefined {
    return this.isRunning ? pickLeastLoaded(this.members) : undefined;
  }

  private find(connection: Connection): PooledConnection | undefined {
    for (const member of this.members) if (member.connection === connection) return member;
    return undefined;
  }

  private primary(): PooledConnection | undefined {
    for (const member of this.members) if (member.role === 'primary' && member.isUsable) return member;
    return undefined;
  }

  private dataCount(): number {
    let count = this.dials.count('data');
    for (const { role, isUsable } of this.members) if (role === 'data' && isUsable) count++;
    return count;
  }

  private ownDataCount(): number {
    let count = 0;
    for (const { role, isOwn, isUsable } of this.members) if (role === 'data' && isOwn && isUsable) count++;
    return count;
  }

  private mayOpen(): boolean {
    const { maxDataConnections } = this.options;
    return this.onTrial === undefined && !this.dials.isBusy('data') && this.dataCount() < maxDataConnections;
  }

  private changed(): void {
    for (const settle of [...this.waiting]) settle();
    this.deps.onChange?.();
  }
}

const REFUSED_WITHIN_MS = 10_000;
/** The program at the other end does not answer: an application's code for an internal error. */
const UNRESPONSIVE = 8;
