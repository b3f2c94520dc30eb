import { describe, expect, it } from 'vitest';
import { createRawPair } from '../raw-pair.fixture.js';
import { IdentificationWatch } from './identification-watch.js';

const POLICY = { closeCode: 3 };

/** Checks every 250 ms, from one time to another; the streams that were found overdue. */
function watchFrom(
  watch: IdentificationWatch,
  known: ReadonlySet<number>,
  fromMs: number,
  toMs: number,
): number[] {
  const overdue: number[] = [];
  for (let now = fromMs; now <= toMs; now += 250) {
    const id = watch.findOverdue(now, (suspect) => known.has(suspect));
    if (id !== undefined) overdue.push(id);
  }
  return overdue;
}

describe('IdentificationWatch', () => {
  it('finds a stream that quiche knows and that does not begin within a second', () => {
    const watch = new IdentificationWatch('acceptor', POLICY);
    expect(watchFrom(watch, new Set([0]), 0, 750)).toEqual([]);
    expect(watchFrom(watch, new Set([0]), 1_000, 1_000)).toEqual([0]);
  });

  it('finds one below others that did begin, and one of either kind', () => {
    const watch = new IdentificationWatch('acceptor', POLICY);
    watch.note(8);
    watch.note(6);
    expect(watchFrom(watch, new Set([4]), 0, 1_000)).toEqual([4]);
    expect(watchFrom(watch, new Set([2]), 2_000, 3_000)).toEqual([2]);
  });

  it('does not mind streams that are not there yet, however long their first byte waits at the peer', () => {
    const watch = new IdentificationWatch('acceptor', POLICY);
    watch.note(40);
    expect(watchFrom(watch, new Set(), 0, 60_000)).toEqual([]);
  });

  it('does not mind one that begins late, but in time', () => {
    const watch = new IdentificationWatch('dialler', POLICY);
    expect(watchFrom(watch, new Set([1]), 0, 750)).toEqual([]);
    watch.note(1);
    expect(watchFrom(watch, new Set([1]), 1_000, 5_000)).toEqual([]);
  });

  it('gives one whose first byte was lost before an outage a chance to come after it', () => {
    const watch = new IdentificationWatch('acceptor', POLICY);
    const isKnown = (): boolean => true;
    expect(watch.findOverdue(0, isKnown)).toBeUndefined();
    expect(watch.findOverdue(8_000, isKnown)).toBeUndefined();
    expect(watch.findOverdue(8_250, isKnown)).toBe(0);
  });

  it('asks about a bounded number of streams, and seldom', () => {
    const watch = new IdentificationWatch('acceptor', POLICY);
    watch.note(4 * 1_000_000);
    let asked = 0;
    for (let now = 0; now < 1_000; now++) {
      watch.findOverdue(now, () => {
        asked += 1;
        return false;
      });
    }
    expect(asked).toBeLessThanOrEqual(4 * (256 + 16));
  });

  it('can ask the pinned binding: a stream whose first byte is missing is known, and nothing is read of it', () => {
    const { client, server, exchange } = createRawPair();
    exchange();
    expect(server.streamFinished(0)).toBe(true);
    client.streamSend(0, Buffer.from('first'), false);
    // Lost on the way.
    expect(client.send(Buffer.alloc(1_350))).not.toBeNull();
    client.streamSend(0, Buffer.from('second'), false);
    exchange();
    expect([...server.readable()]).toEqual([]);
    expect(server.streamFinished(0)).toBe(false);
    expect(server.streamFinished(4)).toBe(true);
  });
});
