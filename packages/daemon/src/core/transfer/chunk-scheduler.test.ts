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
