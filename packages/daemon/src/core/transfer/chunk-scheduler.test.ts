import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import { Limits } from '../wire/limits.js';
import { ChunkScheduler, type ScheduledRequest } from './chunk-scheduler.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const hash = (n: number): ContentHash => n.toString(16).padStart(64, '0') as ContentHash;
const chunk = (n: number, lengthBytes = 1_000): ChunkRef => ({ hash: hash(n), lengthBytes });
const chunks = (from: number, count: number, lengthBytes?: number): ChunkRef[] =>
  Array.from({ length: count }, (_, i) => chunk(from + i, lengthBytes));
const bytesOf = (request: ScheduledRequest | undefined): number =>
  (request?.chunks ?? []).reduce((sum, each) => sum + each.lengthBytes, 0);

function nextOf(scheduler: ChunkScheduler, peer: string): ScheduledRequest {
  const request = scheduler.next(peer);
  if (request === undefined) throw new Error(`nothing to ask of ${peer}`);
  return request;
}

const hashesOf = (request: ScheduledRequest | undefined) => request?.chunks.map((each) => each.hash);

describe('ChunkScheduler', () => {
  it('asks for each chunk once, however often it is wanted', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1), chunk(1), chunk(2)]);
    scheduler.want([chunk(2)]);
    expect(hashesOf(scheduler.next('a'))).toEqual([hash(1), hash(2)]);
    scheduler.want([chunk(1)]);
    expect(scheduler.next('a')).toBeUndefined();
  });

  it('asks nothing of a peer that is not up', () => {
    const scheduler = new ChunkScheduler();
    scheduler.want([chunk(1)]);
    expect(scheduler.next('a')).toBeUndefined();
  });

  it('cuts requests at 1 MiB, at 1,024 chunks, and lets a larger chunk be one alone', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1, 4 * MIB), ...chunks(2, 3, 512 * KIB), ...chunks(10, 2_000, 1)]);
    const requests: ScheduledRequest[] = [];
    for (let next = scheduler.next('a'); next !== undefined; next = scheduler.next('a')) requests.push(next);
    expect(requests.map((request) => request.chunks.length)).toEqual([1, 2, 1_024, 977]);
    expect(new Set(requests.map((request) => request.requestId)).size).toBe(4);
  });

  it('keeps at most 64 MiB on their way from one peer', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want(chunks(1, 300, 300 * KIB));
    const requests: ScheduledRequest[] = [];
    for (let next = scheduler.next('a'); next !== undefined; next = scheduler.next('a')) requests.push(next);
    const asked = requests.reduce((sum, request) => sum + bytesOf(request), 0);
    expect(asked).toBeLessThanOrEqual(Limits.requestedBytes);
    expect(asked).toBeGreaterThan(Limits.requestedBytes - 300 * KIB);
    const [first] = requests;
    scheduler.received('a', first?.requestId ?? 0, 0);
    expect(bytesOf(scheduler.next('a'))).toBe(300 * KIB);
    expect(scheduler.peerDown('a')).toBe(asked);
  });

  it('does not let a small file wait for the end of a huge one', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want(chunks(1, 1_000, 64 * KIB));
    nextOf(scheduler, 'a');
    scheduler.want([chunk(5_000)]);
    scheduler.want([chunk(5_001)]);
    const soon = [...nextOf(scheduler, 'a').chunks, ...nextOf(scheduler, 'a').chunks];
    const soonHashes = soon.map((each) => each.hash);
    expect(soonHashes).toContain(hash(5_000));
    expect(soonHashes).toContain(hash(5_001));
    expect(soonHashes.length).toBeGreaterThan(10);
  });

  it('asks another peer for what one does not have, and that one not again', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1), chunk(2)]);
    const request = nextOf(scheduler, 'a');
    scheduler.missing('a', request.requestId, 0);
    scheduler.wrong('a', request.requestId, 1);
    expect(scheduler.next('a')).toBeUndefined();
    expect(scheduler.takeExhausted()).toEqual([]);
    expect(hashesOf(scheduler.next('b'))).toEqual([hash(1), hash(2)]);
  });

  it('gives up what every peer refused, and only that', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1), chunk(2)]);
    const fromA = nextOf(scheduler, 'a');
    scheduler.missing('a', fromA.requestId, 0);
    const fromB = nextOf(scheduler, 'b');
    scheduler.missing('b', fromB.requestId, 0);
    expect(scheduler.takeExhausted()).toEqual([hash(1)]);
    expect(scheduler.takeExhausted()).toEqual([]);
    expect(scheduler.size).toBe(1);
  });

  it('asks a peer anew that came up anew, and everybody for what is wanted anew', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1)]);
    scheduler.missing('a', nextOf(scheduler, 'a').requestId, 0);
    scheduler.peerDown('a');
    scheduler.peerUp('a');
    expect(scheduler.takeExhausted()).toEqual([]);
    scheduler.missing('a', nextOf(scheduler, 'a').requestId, 0);
    expect(scheduler.next('a')).toBeUndefined();
    scheduler.want([chunk(1)]);
    expect(hashesOf(scheduler.next('a'))).toEqual([hash(1)]);
  });

  it('gives up everything when no peer is up', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1), chunk(2)]);
    nextOf(scheduler, 'a');
    scheduler.peerDown('a');
    expect(scheduler.takeExhausted()).toEqual([hash(1), hash(2)]);
    scheduler.peerUp('a');
    expect(scheduler.next('a')).toBeUndefined();
  });

  it('gives up what only the peer that went down had not refused', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1)]);
    scheduler.missing('a', nextOf(scheduler, 'a').requestId, 0);
    scheduler.peerDown('b');
    expect(scheduler.takeExhausted()).toEqual([hash(1)]);
  });

  it('asks others, first of all, for what a peer that went down did not answer', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1), chunk(2), chunk(3)]);
    const lost = nextOf(scheduler, 'a');
    scheduler.received('a', lost.requestId, 1);
    scheduler.want([chunk(4)]);
    expect(scheduler.peerDown('a')).toBe(2_000);
    expect(hashesOf(scheduler.next('b'))).toEqual([hash(1), hash(3), hash(4)]);
    scheduler.peerUp('a');
    scheduler.received('a', lost.requestId, 0);
    expect(scheduler.size).toBe(3);
  });

  it('never asks for what was cancelled, and passes over its answer', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1)]);
    const request = nextOf(scheduler, 'a');
    scheduler.want([chunk(2), chunk(3)]);
    scheduler.cancel(hash(1));
    scheduler.cancel(hash(2));
    expect(hashesOf(scheduler.next('a'))).toEqual([hash(3)]);
    scheduler.missing('a', request.requestId, 0);
    expect(scheduler.takeExhausted()).toEqual([]);
    expect(scheduler.size).toBe(1);
  });

  it('counts the answer to a chunk that was cancelled and is wanted again', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.want([chunk(1)]);
    const request = nextOf(scheduler, 'a');
    scheduler.cancel(hash(1));
    scheduler.want([chunk(1)]);
    expect(scheduler.next('a')).toBeUndefined();
    scheduler.received('a', request.requestId, 0);
    expect(scheduler.size).toBe(0);
  });

  it('goes on looking for a chunk that was cancelled, wanted again, and then refused', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1)]);
    const request = nextOf(scheduler, 'a');
    scheduler.cancel(hash(1));
    scheduler.want([chunk(1)]);
    scheduler.missing('a', request.requestId, 0);
    expect(hashesOf(scheduler.next('b'))).toEqual([hash(1)]);
  });

  it('remembers who refused a chunk when another peer goes down that was asked for it', () => {
    const scheduler = new ChunkScheduler();
    for (const name of ['a', 'b', 'c']) scheduler.peerUp(name);
    scheduler.want([chunk(1)]);
    scheduler.missing('a', nextOf(scheduler, 'a').requestId, 0);
    nextOf(scheduler, 'b');
    scheduler.peerDown('b');
    expect(scheduler.next('a')).toBeUndefined();
    expect(hashesOf(scheduler.next('c'))).toEqual([hash(1)]);
  });

  it('asks others for a chunk that turned out wrong after it was received, and gives it up when there are none', () => {
    const scheduler = new ChunkScheduler();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want([chunk(1)]);
    scheduler.received('a', nextOf(scheduler, 'a').requestId, 0);
    scheduler.wantFromOthers(chunk(1), 'a');
    expect(scheduler.next('a')).toBeUndefined();
    const request = nextOf(scheduler, 'b');
    scheduler.received('b', request.requestId, 0);
    scheduler.peerDown('a');
    scheduler.wantFromOthers(chunk(1), 'b');
    expect(scheduler.takeExhausted()).toEqual([hash(1)]);
  });

  it('keeps no memory of chunks that are wanted and cancelled over and over', () => {
    const scheduler = new ChunkScheduler({ outstandingBytes: 1 });
    scheduler.peerUp('a');
    scheduler.want([chunk(0)]);
    nextOf(scheduler, 'a');
    for (let n = 1; n <= 50_000; n++) {
      scheduler.want([chunk(n)]);
      scheduler.cancel(hash(n));
    }
    expect(scheduler.queuedAtMost).toBeLessThan(10_000);
  });

  it('does not take longer for each of very many chunks', () => {
    const scheduler = new ChunkScheduler();
    const all = chunks(1, 200_000, 16 * KIB);
    const startMs = performance.now();
    scheduler.peerUp('a');
    scheduler.peerUp('b');
    scheduler.want(all.slice(0, 100_000));
    for (let n = 100_000; n < all.length; n++) scheduler.want(all.slice(n, n + 1));
    let answered = 0;
    for (let round = 0; scheduler.size > 0; round++) {
      const peer = round % 2 === 0 ? 'a' : 'b';
      const request = nextOf(scheduler, peer);
      for (let index = 0; index < request.chunks.length; index++) {
        // Every hundredth is refused by the first peer that is asked.
        if (peer === 'a' && answered % 100 === 0) scheduler.missing(peer, request.requestId, index);
        else scheduler.received(peer, request.requestId, index);
        answered++;
      }
    }
    expect(answered).toBeGreaterThan(200_000);
    // Quadratic work would take minutes.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });
});

type Step =
  | { readonly do: 'want'; readonly from: number; readonly count: number }
  | { readonly do: 'cancel'; readonly n: number }
  | { readonly do: 'up' | 'down' | 'next'; readonly peer: number }
  | { readonly do: 'answer'; readonly at: number; readonly how: 'received' | 'missing' | 'wrong' }
  | { readonly do: 'exhausted' };

const CHUNKS = 5;
const peer = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('want' as const),
    from: fc.nat(CHUNKS),
    count: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ do: fc.constant('cancel' as const), n: fc.nat(CHUNKS) }),
  fc.record({ do: fc.constantFrom('up' as const, 'down' as const), peer }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('next' as const), peer }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      at: fc.nat(40),
      how: fc.constantFrom('received' as const, 'missing' as const, 'wrong' as const),
    }),
  },
  fc.constant({ do: 'exhausted' as const }),
);

interface Flight {
  readonly peer: string;
  readonly requestId: number;
  readonly index: number;
  readonly hash: ContentHash;
  readonly lengthBytes: number;
}

/** Drives a scheduler and holds it against what must be true of it. */
class CheckedScheduler {
  readonly scheduler = new ChunkScheduler({ requestBytes: 2_500, outstandingBytes: 5_000 });
  readonly wanted = new Set<ContentHash>();
  readonly up = new Set<string>();
  private flights: Flight[] = [];
  private readonly refused = new Set<string>();

  perform(step: Step): void {
    if (step.do === 'want') this.want(chunks(step.from, step.count));
    else if (step.do === 'cancel') {
      this.scheduler.cancel(hash(step.n));
      this.wanted.delete(hash(step.n));
    } else if (step.do === 'up') this.comeUp(`p${step.peer}`);
    else if (step.do === 'down') this.goDown(`p${step.peer}`);
    else if (step.do === 'next') this.ask(`p${step.peer}`);
    else if (step.do === 'exhausted') this.takeExhausted();
    else if (step.do === 'answer' && this.flights.length > 0) {
      this.answer(step.at % this.flights.length, step.how);
    }
  }

  /** Every peer that is up answers everything; what is still wanted then must be said to be exhausted. */
  finish(): void {
    for (let progress = true; progress; ) {
      progress = this.flights.length > 0;
      while (this.flights.length > 0) this.answer(0, 'received');
      for (const name of this.up) progress = this.ask(name) || progress;
    }
    this.takeExhausted();
    expect([...this.wanted]).toEqual([]);
    expect(this.scheduler.size).toBe(0);
  }

  private want(all: readonly ChunkRef[]): void {
    this.scheduler.want(all);
    for (const each of all) {
      this.wanted.add(each.hash);
      for (const name of ['p0', 'p1', 'p2']) this.refused.delete(`${name} ${each.hash}`);
    }
  }

  private comeUp(name: string): void {
    this.scheduler.peerUp(name);
    this.up.add(name);
    for (const key of this.refused) if (key.startsWith(`${name} `)) this.refused.delete(key);
  }

  private goDown(name: string): void {
    const lost = this.flights.filter((flight) => flight.peer === name);
    this.flights = this.flights.filter((flight) => flight.peer !== name);
    this.up.delete(name);
    expect(this.scheduler.peerDown(name)).toBe(lost.reduce((sum, flight) => sum + flight.lengthBytes, 0));
  }

  private ask(name: string): boolean {
    const request = this.scheduler.next(name);
    if (request === undefined) return false;
    expect(this.up.has(name)).toBe(true);
    for (const [index, { hash: asked, lengthBytes }] of request.chunks.entries()) {
      expect(this.wanted.has(asked)).toBe(true);
      expect(this.refused.has(`${name} ${asked}`)).toBe(false);
      expect(this.flights.some((flight) => flight.hash === asked)).toBe(false);
      this.flights.push({ peer: name, requestId: request.requestId, index, hash: asked, lengthBytes });
    }
    const outstanding = this.flights.filter((flight) => flight.peer === name).length * 1_000;
    expect(outstanding).toBeLessThanOrEqual(5_000);
    return true;
  }

  private answer(at: number, how: 'received' | 'missing' | 'wrong'): void {
    const [flight] = this.flights.splice(at, 1);
    if (flight === undefined) return;
    this.scheduler[how](flight.peer, flight.requestId, flight.index);
    if (how === 'received') this.wanted.delete(flight.hash);
    else if (this.wanted.has(flight.hash)) this.refused.add(`${flight.peer} ${flight.hash}`);
    // A second answer to the same changes nothing.
    this.scheduler.missing(flight.peer, flight.requestId, flight.index);
  }

  private takeExhausted(): void {
    const exhausted = new Set(this.scheduler.takeExhausted());
    for (const each of this.wanted) {
      const inFlight = this.flights.some((flight) => flight.hash === each);
      const canBeAsked = [...this.up].some((name) => !this.refused.has(`${name} ${each}`));
      expect(exhausted.has(each)).toBe(!inFlight && !canBeAsked);
    }
    for (const each of exhausted) {
      expect(this.wanted.delete(each)).toBe(true);
      for (const name of ['p0', 'p1', 'p2']) this.refused.delete(`${name} ${each}`);
    }
  }
}

describe('ChunkScheduler, whatever happens', () => {
  it('has every wanted chunk received or exhausted in the end, and none in flight twice', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const checked = new CheckedScheduler();
        for (const each of steps) checked.perform(each);
        checked.finish();
      }),
      { numRuns: 1_000 },
    );
  });
});
