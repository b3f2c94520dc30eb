import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RelativePath } from '../model/relative-path.js';
import { asPath } from '../testing/entries.js';
import { encodePayload } from '../wire/codec.js';
import { Limits } from '../wire/limits.js';
import { ReceiptTracker } from './receipt-tracker.js';

/** Remembers everything and looks at all of it every time. */
class NaiveTracker {
  private events: { path: RelativePath; sequence: number }[] = [];
  private readonly reasons = new Map<RelativePath, string>();
  delivered: number;

  constructor(afterSequence: number) {
    this.delivered = afterSequence;
  }

  get durable(): number {
    let durable = this.delivered;
    while (this.events.some((event) => event.sequence <= durable)) durable--;
    return durable;
  }

  get unplaceable(): readonly { path: RelativePath; reason: string }[] {
    return [...this.reasons].map(([path, reason]) => ({ path, reason }));
  }

  received(path: RelativePath, sequence: number): void {
    this.events.push({ path, sequence });
  }

  settled(path: RelativePath): void {
    this.events = this.events.filter((event) => event.path !== path);
    this.reasons.delete(path);
  }

  cannotPlace(path: RelativePath, reason: string): void {
    if (!this.reasons.has(path) && !this.events.some((event) => event.path === path)) return;
    this.events = this.events.filter((event) => event.path !== path);
    this.reasons.set(path, reason);
  }

  endedAt(sequence: number): void {
    this.delivered = Math.max(this.delivered, sequence);
  }
}

const path = fc.integer({ min: 0, max: 7 }).map((n) => asPath(`file-${n}`));
const sequence = fc.integer({ min: 11, max: 50 });

type Operation = (tracker: ReceiptTracker | NaiveTracker) => void;

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(path, sequence).map(
      ([p, s]): Operation =>
        (t) =>
          t.received(p, s),
    ),
  },
  {
    weight: 3,
    arbitrary: path.map(
      (p): Operation =>
        (t) =>
          t.settled(p),
    ),
  },
  {
    weight: 1,
    arbitrary: path.map(
      (p): Operation =>
        (t) =>
          t.cannotPlace(p, `not ${p}`),
    ),
  },
  {
    weight: 2,
    arbitrary: sequence.map(
      (s): Operation =>
        (t) =>
          t.endedAt(s),
    ),
  },
);

describe('ReceiptTracker', () => {
  it('says what a tracker says that remembers everything', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 150, size: 'max' }), (operations) => {
        const tracker = new ReceiptTracker(10);
        const naive = new NaiveTracker(10);
        for (const operate of operations) {
          operate(tracker);
          operate(naive);
          expect(tracker.durable).toBe(naive.durable);
          expect(tracker.delivered).toBe(naive.delivered);
          expect(tracker.unplaceable).toEqual(naive.unplaceable);
        }
      }),
    );
  });

  it('keeps the oldest sequence of a path that is announced again before it is durable', () => {
    const tracker = new ReceiptTracker(0);
    tracker.received(asPath('a'), 1);
    tracker.received(asPath('b'), 2);
    tracker.received(asPath('a'), 3);
    tracker.endedAt(3);
    tracker.settled(asPath('b'));
    expect(tracker.durable).toBe(0);
    tracker.settled(asPath('a'));
    expect(tracker.durable).toBe(3);
  });

  it('keeps an unplaceable path listed while a later version of it is pending', () => {
    const tracker = new ReceiptTracker(0);
    tracker.received(asPath('a'), 1);
    tracker.endedAt(1);
    tracker.cannotPlace(asPath('a'), 'a name that is not allowed here');
    tracker.received(asPath('a'), 2);
    tracker.endedAt(2);
    expect(tracker.durable).toBe(1);
    expect(tracker.unplaceable).toEqual([{ path: 'a', reason: 'a name that is not allowed here' }]);
    tracker.settled(asPath('a'));
    expect(tracker.durable).toBe(2);
    expect(tracker.unplaceable).toEqual([]);
  });

  it('lists as much as a receipt can hold, and the rest once there is room', () => {
    const tracker = new ReceiptTracker(0);
    const paths: RelativePath[] = [];
    for (let n = 1; n <= 1_500; n++) {
      const long = asPath(`${n}-${'ü'.repeat(n % 2 === 0 ? 100 : 5)}`);
      paths.push(long);
      tracker.received(long, n);
      tracker.cannotPlace(long, '界'.repeat(500));
    }
    tracker.endedAt(1_500);
    expect(tracker.durable).toBe(1_500);
    const first = tracker.unplaceable;
    expect(first.length).toBeGreaterThan(20);
    expect(first.length).toBeLessThanOrEqual(Limits.unplaceablePerReceipt);
    const frame = { type: 'durable', folder: 'f' as never, indexId: '0'.repeat(16) as never } as const;
    const { payload } = encodePayload({ ...frame, sequence: 1_500, unplaceable: first });
    expect(payload.length).toBeLessThanOrEqual(Limits.receiptFrameBytes);
    tracker.settled(paths[0] ?? asPath(''));
    expect(tracker.unplaceable[0]?.path).toBe(paths[1]);
    expect(tracker.unplaceable.length).toBeGreaterThanOrEqual(first.length - 1);
  });

  it('stays small and fast while one path blocks a million others', () => {
    const tracker = new ReceiptTracker(0);
    tracker.received(asPath('stuck'), 1);
    const startMs = performance.now();
    for (let n = 2; n <= 1_000_000; n++) {
      const settled = asPath(`p${n % 1_000}`);
      tracker.received(settled, n);
      tracker.settled(settled);
      if (n % 100 === 0) tracker.endedAt(n);
      if (tracker.durable !== 0) break;
    }
    expect(tracker.durable).toBe(0);
    expect(tracker.pendingCount).toBe(1);
    tracker.settled(asPath('stuck'));
    expect(tracker.durable).toBe(1_000_000);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
