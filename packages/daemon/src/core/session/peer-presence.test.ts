import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FolderId } from '../model/identifiers.js';
import type { FrameOf } from '../wire/frames.js';
import { PeerPresence, PRESENCE_FRAME } from './peer-presence.js';

type Message = FrameOf<'presenceOnline' | 'presenceAway' | 'presenceOffline'> | FrameOf<'folderActivity'>;

const everything = () => true;
const folders = ['a', 'b'] as FolderId[];

describe('PeerPresence', () => {
  it('shows what was said last, however datagrams are lost, doubled and overtake each other', () => {
    const message = fc.oneof(
      fc.constantFrom('online' as const, 'away' as const, 'offline' as const),
      fc.record({ folder: fc.constantFrom(...folders), sequence: fc.nat(1_000) }),
    );
    const arrivals = fc
      .array(message, { minLength: 1, maxLength: 20 })
      .chain((said) => fc.tuple(fc.constant(said), fc.array(fc.nat(said.length - 1), { maxLength: 40 })));
    fc.assert(
      fc.property(arrivals, ([said, order]) => {
        const sent = said.map(
          (each, counter): Message =>
            typeof each === 'string'
              ? { type: PRESENCE_FRAME[each], counter }
              : { type: 'folderActivity', counter, ...each },
        );
        const peer = new PeerPresence();
        for (const i of order) peer.take(sent[i] as Message, everything, 7);
        const came = sent.filter((_, i) => order.includes(i));
        const presence = came.filter((frame) => frame.type !== 'folderActivity').at(-1);
        expect(PRESENCE_FRAME[peer.presence]).toBe(presence?.type ?? 'presenceOnline');
        for (const folder of folders) {
          const last = came
            .filter((frame): frame is FrameOf<'folderActivity'> => frame.type === 'folderActivity')
            .filter((frame) => frame.folder === folder)
            .at(-1);
          expect(peer.activityOf(folder)?.sequence).toBe(last?.sequence);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('says whether anything changed', () => {
    const peer = new PeerPresence();
    expect(peer.take({ type: 'presenceAway', counter: 5 }, everything, 0)).toBe(true);
    expect(peer.take({ type: 'presenceOnline', counter: 5 }, everything, 0)).toBe(false);
    expect(peer.take({ type: 'presenceAway', counter: 6 }, everything, 0)).toBe(false);
  });

  it('passes over folders that are not exchanged, so that it does not grow', () => {
    const peer = new PeerPresence();
    const frame = { type: 'folderActivity', counter: 1, folder: 'x' as FolderId, sequence: 9 } as const;
    expect(peer.take(frame, () => false, 0)).toBe(false);
    expect(peer.activityOf(frame.folder)).toBeUndefined();
  });
});
