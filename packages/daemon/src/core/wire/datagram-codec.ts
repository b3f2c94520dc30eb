import { asUint } from './fields.js';
import { type FrameCodecs, frameCodec } from './frame-codec.js';
import type { FrameOf } from './frames.js';
import { readFolder } from './identifier-fields.js';

type Presence = 'presenceOnline' | 'presenceAway' | 'presenceOffline';

function presenceCodec(type: Presence) {
  return frameCodec<FrameOf<Presence>>({
    write: (frame) => [[0, frame.counter]],
    read: (fields) => ({ type, counter: asUint(fields.get(0), 'counter') }),
  });
}

export const datagramCodecs: FrameCodecs<Presence | 'folderActivity'> = {
  presenceOnline: presenceCodec('presenceOnline'),
  presenceAway: presenceCodec('presenceAway'),
  presenceOffline: presenceCodec('presenceOffline'),
  folderActivity: frameCodec<FrameOf<'folderActivity'>>({
    write: (frame) => [
      [0, frame.counter],
      [1, frame.folder],
      [2, frame.sequence],
    ],
    read: (fields) => ({
      type: 'folderActivity',
      counter: asUint(fields.get(0), 'counter'),
      folder: readFolder(fields.get(1)),
      sequence: asUint(fields.get(2), 'sequence'),
    }),
  }),
};
