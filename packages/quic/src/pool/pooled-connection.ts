import type { CloseInfo, Connection } from '../transport.js';
import type { PoolClock } from './address-race.js';
import { ConnectionHealth, type ConnectionHealthOptions } from './connection-health.js';
import { judgePath, type PathQuality, type PathReading } from './path-quality.js';
import type { PooledConnectionState, PooledRole, PooledState } from './pool-state.js';

/** A request in flight on one connection. */
export interface Lease {
  readonly connection: Connection;
  /** The request is over, whatever came of it. Idempotent. */
  release(): void;
}

export interface LeaseOptions {
  /** What it counts for when the next connection is picked; 0 or above. Default 1. */
  readonly weight?: number;
  /** Called at most once, instead of the answer: the connection is gone, and the request may be asked again elsewhere. */
  readonly onLost: () => void;
}

export type ReplaceReason = 'unhealthy' | 'aged';

export interface PooledConnectionDependencies {
  readonly connection: Connection;
  readonly clock: PoolClock;
  readonly ping: (connection: Connection, timeoutMs: number) => Promise<number>;
  /** See `ConnectionPoolDependencies`. */
  readonly sayGoodbye: ((connection: Connection, reason: string) => void) | undefined;
  /** Something that `snapshot` shows has changed. */
  readonly onChange: () => void;
  /** Given once for each reason: another is to take its place. */
  readonly onReplace: (why: ReplaceReason) => void;
  readonly onEnded: (info: CloseInfo) => void;
  readonly onHandedBack: (requests: number) => void;
}

export interface PooledConnectionOptions {
  readonly role: PooledRole;
  readonly isOwn: boolean;
  readonly drainMs: number;
  readonly maxPacketsPerKey: number;
  readonly health: ConnectionHealthOptions;
}

interface Held {
  readonly weight: number;
  readonly onLost: () => void;
}

/** An answer that comes later than it should still shows that somebody is there. */
const ANSWER_MS = 30_000;
/** Replaced at this share of the packets that one key may protect: there is time to dial another. */
const AGED_SHARE = 0.85;
/** Keep-alives, pings and size probes are no use. */
const USE_CHECK_MS = 10_000;
const NOISE_BYTES_PER_SECOND = 3_072;
const GOODBYE = 0;

/**
 * One connection of a pool: what is in flight on it, how it fares, and whether it takes more.
 *
 * 1. `ready ⇄ suspect → draining → closed`, and nothing goes back.
 * 2. A lease ends once: released by its holder, or handed back by `onLost`.
 * 3. A draining connection takes no lease; it closes when the last one ends, or at the latest after `drainMs`.
 */
export class PooledConnection {
  readonly connection: Connection;
  readonly role: PooledRole;
  readonly isOwn: boolean;
  /** Whether the pool wants another in its place when it goes. */
  isWanted: boolean;
  private current: PooledState = 'ready';
  private readonly held = new Set<Held>();
  private readonly health: ConnectionHealth;
  private readonly openedAtMs: number;
  private loadSum = 0;
  private sentBefore: number;
  private lostBefore: number;
  private movedBefore: number;
  private useCheckedMs: number;
  private lastUsedMs: number;
  private reading: PathReading;
  private quality: PathQuality = { lossShare: 0, isPoor: false };
  private lastRoundTripMs: number | undefined;
  private readonly replaceTold = new Set<ReplaceReason>();
  private cancelDrain: (() => void) | undefined;
  private drainReason = '';
  private waitsForPeer = false;

  constructor(
    private readonly deps: PooledConnectionDependencies,
    private readonly options: PooledConnectionOptions,
  ) {
    const { connection, clock } = deps;
    const now = clock.nowMs();
    this.connection = connection;
    this.role = options.role;
    this.isOwn = options.isOwn;
    this.isWanted = options.isOwn;
    this.health = new ConnectionHealth(now, options.health);
    const { bytesIn, bytesOut, bytesLost, packetsOut, packetsLost, rttMs } = connection.stats();
    this.lostBefore = bytesLost;
    this.openedAtMs = now;
    this.sentBefore = bytesOut;
    this.movedBefore = bytesIn + bytesOut;
    this.useCheckedMs = now;
    this.lastUsedMs = now;
    this.reading = { packetsOut, packetsLost, rttMs };
    void connection.closed.then((info) => this.ended(info));
  }

  get state(): PooledState {
    return this.current;
  }

  get isUsable(): boolean {
    return this.current === 'ready' || this.current === 'suspect';
  }

  get ageMs(): number {
    return this.deps.clock.nowMs() - this.openedAtMs;
  }

  /** Weight of what is in flight. */
  get load(): number {
    return this.loadSum;
  }

  /** When `check` has something to do. */
  get nextDueMs(): number {
    return this.health.nextTickMs ?? Number.POSITIVE_INFINITY;
  }

  lease(options: LeaseOptions): Lease {
    const held: Held = { weight: options.weight ?? 1, onLost: options.onLost };
    this.held.add(held);
    this.loadSum += held.weight;
    this.lastUsedMs = this.deps.clock.nowMs();
    return { connection: this.connection, release: () => this.release(held) };
  }

  /** Bytes sent since this was asked last, and of those sent at any time, the bytes found lost since then. */
  takeSentBytes(): { readonly sent: number; readonly lost: number } {
    const { bytesOut, bytesLost } = this.connection.stats();
    const since = { sent: bytesOut - this.sentBefore, lost: bytesLost - this.lostBefore };
    this.sentBefore = bytesOut;
    this.lostBefore = bytesLost;
    return since;
  }

  /** Health, age and use, as far as they are due. */
  check(nowMs: number, baseRttMs: number): void {
    if (!this.isUsable) return;
    this.noteUse(nowMs);
    const action = this.health.tick(nowMs);
    if (action?.do === 'ping') {
      this.judge(baseRttMs);
      this.ping(action.nonce);
    }
    this.grade();
    if (action?.do === 'replace') this.tellReplace('unhealthy');
    else if (this.keyUse() >= AGED_SHARE) this.tellReplace('aged');
  }

  /** For how long nothing but keep-alives has used it. */
  idleForMs(nowMs: number): number {
    return this.held.size > 0 ? 0 : nowMs - this.lastUsedMs;
  }

  /** Takes nothing more, and closes with 0 when what is in flight is done. `isMutual`: the peer has nothing in flight either. */
  drain(reason: string, { isMutual = false }: { readonly isMutual?: boolean } = {}): void {
    if (this.current === 'closed') return;
    this.drainReason = reason;
    this.waitsForPeer = !isMutual && this.deps.sayGoodbye !== undefined;
    if (this.isUsable) {
      this.cancelDrain = this.deps.clock.after(this.options.drainMs, () => this.close(GOODBYE, reason));
      this.move('draining');
      if (this.waitsForPeer) this.deps.sayGoodbye?.(this.connection, reason);
    }
    this.closeWhenDone();
  }

  /** Hands back what is in flight, and closes. */
  close(code: number, reason: string): Promise<void> {
    this.finish();
    return this.connection.close(code, reason);
  }

  snapshot(): PooledConnectionState {
    return {
      id: this.connection.id,
      role: this.role,
      state: this.current,
      dialledHere: this.connection.role === 'dialler',
      isReplacement: false,
      requests: this.held.size,
      load: this.loadSum,
      misses: this.health.misses,
      roundTripMs: this.lastRoundTripMs,
      lossShare: this.quality.lossShare,
      keyUse: this.current === 'closed' ? 0 : this.keyUse(),
    };
  }

  private release(held: Held): void {
    if (!this.held.delete(held)) return;
    this.loadSum -= held.weight;
    if (this.current === 'closed') return;
    this.lastUsedMs = this.deps.clock.nowMs();
    this.closeWhenDone();
  }

  private closeWhenDone(): void {
    if (this.current === 'draining' && this.held.size === 0 && !this.waitsForPeer)
      void this.close(GOODBYE, this.drainReason);
  }

  /** The peer counts as well: it may send far more packets than it gets, and cannot always dial. */
  private keyUse(): number {
    const { packetsIn, packetsOut } = this.connection.stats();
    return Math.max(packetsIn, packetsOut) / this.options.maxPacketsPerKey;
  }

  private noteUse(nowMs: number): void {
    const elapsedMs = nowMs - this.useCheckedMs;
    if (elapsedMs < USE_CHECK_MS) return;
    const { bytesIn, bytesOut } = this.connection.stats();
    const moved = bytesIn + bytesOut - this.movedBefore;
    this.movedBefore = bytesIn + bytesOut;
    this.useCheckedMs = nowMs;
    if (moved > (NOISE_BYTES_PER_SECOND * elapsedMs) / 1_000) this.lastUsedMs = nowMs;
  }

  private judge(baseRttMs: number): void {
    const { packetsOut, packetsLost, rttMs } = this.connection.stats();
    const now = { packetsOut, packetsLost, rttMs };
    this.quality = judgePath(this.reading, now, baseRttMs);
    this.reading = now;
  }

  private ping(nonce: number): void {
    this.deps.ping(this.connection, ANSWER_MS).then(
      (roundTripMs) => {
        this.lastRoundTripMs = roundTripMs;
        this.health.answered(nonce);
        this.grade();
      },
      () => {},
    );
  }

  private grade(): void {
    if (!this.isUsable) return;
    this.move(this.health.misses > 0 || this.quality.isPoor ? 'suspect' : 'ready');
  }

  private tellReplace(why: ReplaceReason): void {
    if (this.replaceTold.has(why)) return;
    this.replaceTold.add(why);
    this.deps.onReplace(why);
  }

  private ended(info: CloseInfo): void {
    this.finish();
    this.deps.onEnded(info);
  }

  private finish(): void {
    if (this.current === 'closed') return;
    this.cancelDrain?.();
    this.move('closed');
    const lost = [...this.held];
    this.held.clear();
    this.loadSum = 0;
    if (lost.length > 0) this.deps.onHandedBack(lost.length);
    for (const { onLost } of lost) onLost();
  }

  private move(state: PooledState): void {
    if (this.current === state) return;
    this.current = state;
    this.deps.onChange();
  }
}
