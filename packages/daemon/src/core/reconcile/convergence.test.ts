import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Content, sameContent } from '../model/file-entry.js';
import { at, deleted, directory, file, rowOf, symlink } from '../testing/entries.js';
import { Replica } from '../testing/replica.js';
import { mergeRemote } from './merge-remote.js';

const PATHS = ['p', 'q', 'd', 'd/x', 'd/e', 'd/e/y'] as const;
const DEVICES = ['a', 'b', 'c'] as const;

const device = fc.nat(DEVICES.length - 1);
const path = fc.constantFrom(...PATHS);
const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      device,
      path,
      kind: fc.constantFrom('new', 'same', 'link', 'directory'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), device, path }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('touch' as const), device, path, mtime: fc.nat(100) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('hear' as const), device, from: device }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('apply' as const), device }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(50) }) },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

interface World {
  readonly replicas: readonly Replica[];
  /** Contents that somebody wrote, less those that somebody replaced while they stood before their eyes. */
  readonly owed: Content[];
}

function play(actions: readonly Action[], skewsMs: readonly number[]): World {
  let nowMs = 1_000;
  const replicas = DEVICES.map((name, i) => new Replica(name, () => nowMs + (skewsMs[i] ?? 0)));
  const owed: Content[] = [];
  const write = (replica: Replica, at: string, content: Content) => {
    for (const replaced of replica.write(at, content)) {
      const index = owed.findIndex((other) => sameContent(other, replaced));
      if (index >= 0) owed.splice(index, 1);
    }
  };
  actions.forEach((step, i) => {
    if (step.do === 'wait') {
      nowMs += step.ms;
      return;
    }
    const replica = replicas[step.device];
    if (replica === undefined) return;
    if (step.do === 'hear') replica.hear(replicas[step.from] ?? replica);
    else if (step.do === 'apply') replica.apply();
    else if (step.do === 'touch') replica.touch(step.path, BigInt(step.mtime), step.mtime % 2 === 0);
    else if (step.do === 'delete') write(replica, step.path, deleted);
    else if (step.kind === 'new') {
      const content = file(`unique ${i}`);
      write(replica, step.path, content);
      if (replica.contents().some((other) => sameContent(other, content))) owed.push(content);
    } else if (step.kind === 'same') write(replica, step.path, file('common'));
    else write(replica, step.path, step.kind === 'link' ? symlink('target') : directory);
  });
  return { replicas, owed };
}

/** Everybody hears everybody and applies, until nothing changes any more. */
function settle(replicas: readonly Replica[]): void {
  for (let round = 0; round < 30; round++) {
    let changed = false;
    for (const replica of replicas) {
      for (const other of replicas) changed = replica.hear(other) || changed;
      changed = replica.apply() || changed;
    }
    if (!changed) return;
  }
  throw new Error('it never comes to rest');
}

const history = fc.array(action, { maxLength: 60, size: 'max' });
const skews = fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 3, maxLength: 3 });

describe('devices that change one folder apart', () => {
  it('end with the same tree, knowing the same, and every unseen content in it', () => {
    fc.assert(
      fc.property(history, skews, (actions, skewsMs) => {
        const { replicas, owed } = play(actions, skewsMs);
        settle(replicas);
        const [first, ...others] = replicas;
        for (const other of others) {
          expect(other.tree()).toEqual(first?.tree());
          expect(other.known()).toEqual(first?.known());
        }
        for (const content of owed) expect(first?.contents()).toContainEqual(content);
      }),
      { numRuns: 1000 },
    );
  });

  it('keep no copy that somebody deleted before it was made here', () => {
    // Found by random histories: the directory that the copy would lie in was to go, and the copy kept it.
    const { replicas } = play(
      [
        { do: 'write', device: 1, path: 'd', kind: 'directory' },
        { do: 'write', device: 1, path: 'd/e', kind: 'new' },
        { do: 'hear', device: 2, from: 1 },
        { do: 'write', device: 1, path: 'd/e', kind: 'new' },
        { do: 'apply', device: 2 },
        { do: 'write', device: 2, path: 'd', kind: 'new' },
        { do: 'hear', device: 0, from: 1 },
        { do: 'hear', device: 1, from: 2 },
        { do: 'apply', device: 1 },
        { do: 'apply', device: 0 },
        { do: 'delete', device: 1, path: 'd' },
      ],
      [0, 0, 0],
    );
    settle(replicas);
    for (const replica of replicas) expect(replica.tree()).toEqual(replicas[0]?.tree());
  });

  it('are quiet once they agree', () => {
    fc.assert(
      fc.property(history, skews, (actions, skewsMs) => {
        const { replicas } = play(actions, skewsMs);
        settle(replicas);
        for (const replica of replicas) {
          for (const other of replicas) expect(replica.hear(other)).toBe(false);
          expect(replica.apply()).toBe(false);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('mergeRemote, over any versions of a path', () => {
  const content = fc.constantFrom<Content>(file('x'), file('y'), deleted, directory, symlink('t'));
  /** Versions as honest devices make them: each device's counter and stamp grow together, and what was seen is smaller. */
  const versions = fc
    .array(fc.record({ device, content, sees: fc.array(fc.nat(9)), found: fc.boolean() }), {
      minLength: 1,
      maxLength: 8,
    })
    .map((steps) => {
      const made: { vector: Record<string, number>; at: number; found: boolean }[] = [];
      return steps.map((step, i) => {
        const name = DEVICES[step.device] ?? 'a';
        const seen = step.sees.flatMap((index) => made[index] ?? []);
        const vector: Record<string, number> = {};
        for (const earlier of seen) {
          for (const [key, counter] of Object.entries(earlier.vector)) {
            vector[key] = Math.max(vector[key] ?? 0, counter);
          }
        }
        vector[name] = i + 1;
        const found = step.found && seen.length === 0;
        const version = { vector, at: 10 + i, found };
        made.push(version);
        return at(step.content, vector, version.at, { by: name, found });
      });
    });

  it('has the same winner in whatever order and however often they are heard', () => {
    const orders = versions.chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list], { minLength: 2 * list.length }),
        fc.shuffledSubarray([...list], { minLength: list.length }),
      ),
    );
    const winnerOf = (heard: readonly ReturnType<typeof at>[]) => {
      let known: ReturnType<typeof at> | undefined;
      for (const entry of heard) {
        const merged = mergeRemote(known && rowOf('p', known), entry, { nowMs: 1_000 });
        if (merged.verdict !== 'implausible') known = merged.entry;
      }
      return { content: known?.version.content, stamp: known?.version.stamp, metadata: known?.metadata };
    };
    fc.assert(
      fc.property(orders, ([list, one, other]) => {
        expect(winnerOf(one)).toEqual(winnerOf(list));
        expect(winnerOf(other)).toEqual(winnerOf(list));
      }),
      { numRuns: 300 },
    );
  });
});
