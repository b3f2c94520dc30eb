import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import { ChunkScheduler } from './chunk-scheduler.js';

const hash = (n: number): ContentHash => n.toString(16).padStart(64, '0') as ContentHash;
const chunks = (from: number, count: number): ChunkRef[] =>
  Array.from({ length: count }, (_, i) => ({ hash: hash(from + i), lengthBytes: 1_000 }));

type Step =
  | { readonly do: 'want'; readonly from: number; readonly count: number }
  | { readonly do: 'cancel'; readonly n: number }
  | { readonly do: 'up' | 'down' | 'give-up' | 'next'; readonly peer: number }
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
  fc.record({ do: fc.constantFrom('up' as const, 'down' as const, 'give-up' as const), peer }),
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
    else if (step.do === 'give-up') this.giveUp(`p${step.peer}`);
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

  private giveUp(name: string): void {
    const own = this.flights.filter((flight) => flight.peer === name);
    const open = new Set(
      own.filter((flight) => this.wanted.has(flight.hash)).map(({ requestId }) => requestId),
    );
    const given = own.filter(({ requestId }) => !open.has(requestId));
    const { requestIds, bytes } = this.scheduler.giveUpAbandoned(name);
    expect(new Set(requestIds)).toEqual(new Set(given.map(({ requestId }) => requestId)));
    expect(bytes).toBe(given.reduce((sum, flight) => sum + flight.lengthBytes, 0));
    this.flights = this.flights.filter((flight) => !given.includes(flight));
    // What still comes of it changes nothing.
    for (const { requestId, index } of given) this.scheduler.received(name, requestId, index);
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
      fc.property(fc.array(step, { minLength: 20, maxLength: 200, size: 'max' }), (steps) => {
        const checked = new CheckedScheduler();
        for (const each of steps) checked.perform(each);
        checked.finish();
      }),
      { numRuns: 500 },
    );
  });
});
