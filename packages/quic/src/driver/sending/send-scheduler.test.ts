import { describe, expect, it } from 'vitest';
import type { Urgency } from '../../transport.js';
import type { QuicStream } from '../streams/stream.js';
import { CONTROL_RESERVE_BYTES, SendScheduler } from './send-scheduler.js';

/** A link that takes so many bytes, and streams that write to it. */
class FakeLink {
  readonly log: string[] = [];
  constructor(public capacity: number) {}

  stream(name: string, urgency: Urgency, bytes: number): QuicStream {
    let left = bytes;
    const fake = {
      urgency,
      get hasPending() {
        return left > 0;
      },
      offer: (limit: number, reserve: number) => {
        const taken = Math.min(limit, left, this.capacity - reserve);
        if (taken <= 0) return 0;
        left -= taken;
        this.capacity -= taken;
        this.log.push(name);
        return taken;
      },
    };
    return fake as unknown as QuicStream;
  }
}

const LARGE_WINDOW = 1024 * 1024;

describe('SendScheduler', () => {
  it('serves the most urgent first, in whatever order they came', () => {
    const link = new FakeLink(10 * LARGE_WINDOW);
    const scheduler = new SendScheduler();
    scheduler.add(link.stream('bulk', 6, 1_000));
    scheduler.add(link.stream('control', 0, 1_000));
    scheduler.add(link.stream('index', 2, 1_000));
    expect(scheduler.isUrgentWaiting).toBe(true);
    expect(scheduler.offer(LARGE_WINDOW)).toBe(3_000);
    expect(link.log).toEqual(['control', 'index', 'bulk']);
    expect(scheduler.isIdle).toBe(true);
  });

  it('leaves room for control beside bulk without end', () => {
    const link = new FakeLink(200_000);
    const scheduler = new SendScheduler();
    scheduler.add(link.stream('bulk', 5, Number.MAX_SAFE_INTEGER));
    scheduler.offer(LARGE_WINDOW);
    expect(link.capacity).toBe(CONTROL_RESERVE_BYTES);
    scheduler.add(link.stream('control', 0, 5_000));
    expect(scheduler.offer(LARGE_WINDOW)).toBe(5_000);
    expect(link.log.at(-1)).toBe('control');
  });

  it('keeps back no more than a quarter of a small window', () => {
    const link = new FakeLink(12_000);
    const scheduler = new SendScheduler();
    scheduler.add(link.stream('bulk', 5, 100_000));
    scheduler.offer(12_000);
    expect(link.capacity).toBe(3_000);
  });

  it('hands out whole packets, where several wait', () => {
    const link = new FakeLink(LARGE_WINDOW);
    const scheduler = new SendScheduler(0, () => 16_383);
    const sizes: number[] = [];
    for (const name of ['a', 'b']) {
      const stream = link.stream(name, 5, 128 * 1024);
      const offer = stream.offer.bind(stream);
      stream.offer = (limit, reserve) => {
        const taken = offer(limit, reserve);
        sizes.push(taken);
        return taken;
      };
      scheduler.add(stream);
    }
    scheduler.offer(LARGE_WINDOW);
    // Four packets' worth of payload.
    expect(sizes.slice(0, 2)).toEqual([4 * (16_383 - 64), 4 * (16_383 - 64)]);
  });

  it('takes turns among equals', () => {
    const link = new FakeLink(LARGE_WINDOW);
    const scheduler = new SendScheduler();
    for (const name of ['a', 'b', 'c']) scheduler.add(link.stream(name, 5, 120_000));
    scheduler.offer(LARGE_WINDOW);
    expect(link.log).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('moves a stream whose urgency changed, and forgets a removed one', () => {
    const link = new FakeLink(LARGE_WINDOW);
    const scheduler = new SendScheduler();
    const stream = link.stream('moved', 6, 10) as { urgency: Urgency } & QuicStream;
    scheduler.add(stream);
    (stream as { urgency: Urgency }).urgency = 0;
    scheduler.add(stream);
    expect(scheduler.isUrgentWaiting).toBe(true);
    scheduler.remove(stream);
    expect(scheduler.isIdle).toBe(true);
    expect(scheduler.offer(LARGE_WINDOW)).toBe(0);
  });
});
