import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FolderId } from '../model/identifiers.js';
import { ShardAssignment } from './shard-assignment.js';

describe('ShardAssignment', () => {
  it('spreads folders evenly', () => {
    const shards = new ShardAssignment();
    for (let i = 0; i < 20; i++) shards.assign(`f${i}` as FolderId);
    expect(Math.max(...shards.load) - Math.min(...shards.load)).toBe(1);
  });

  it('gives each folder one shard of 0–7 for good, and a new one where the fewest are', () => {
    const step = fc.record({ folder: fc.nat(40), opens: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const shards = new ShardAssignment();
        const known = new Map<FolderId, number>();
        const open = new Set<FolderId>();
        for (const { folder, opens } of steps) {
          const id = `f${folder}` as FolderId;
          const before = [...shards.load];
          if (opens) {
            const shard = shards.assign(id);
            expect(shard).toBeGreaterThanOrEqual(0);
            expect(shard).toBeLessThan(8);
            if (known.has(id)) expect(shard).toBe(known.get(id));
            else expect(before[shard]).toBe(Math.min(...before));
            known.set(id, shard);
            open.add(id);
          } else {
            shards.release(id);
            open.delete(id);
          }
          const load = new Array<number>(8).fill(0);
          for (const each of open) {
            const shard = known.get(each) ?? -1;
            load[shard] = (load[shard] ?? 0) + 1;
          }
          expect(shards.load).toEqual(load);
        }
      }),
      { numRuns: 300 },
    );
  });
});
