import { MAX_PATH_BYTES } from '../model/relative-path.js';
import { asFields, asList, asText, asUint } from './fields.js';
import { type FrameCodecs, fieldMap, frameCodec } from './frame-codec.js';
import type { FrameOf } from './frames.js';
import { readFolder, readIdentifier, readIndexId, readReason, writeIndexId } from './identifier-fields.js';
import { Limits } from './limits.js';

const durable = frameCodec<FrameOf<'durable'>>({
  write: (frame) => [
    [0, frame.folder],
    [1, writeIndexId(frame.indexId)],
    [2, frame.sequence],
    [
      3,
      frame.unplaceable.map(({ path, reason }) =>
        fieldMap([
          [0, path],
          [1, reason],
        ]),
      ),
    ],
  ],
  read: (fields) => ({
    type: 'durable',
    folder: readFolder(fields.get(0)),
    indexId: readIndexId(fields.get(1)),
    sequence: asUint(fields.get(2), 'sequence'),
    unplaceable: asList(fields.get(3), 'unplaceable', Limits.unplaceablePerReceipt).map((value) => {
      const item = asFields(value, 'unplaceable entry');
      return { path: asText(item.get(0), 'path', MAX_PATH_BYTES), reason: readReason(item.get(1)) };
    }),
  }),
});

const members = frameCodec<FrameOf<'members'>>({
  write: (frame) => [
    [0, frame.folder],
    [
      1,
      frame.members.map((member) =>
        fieldMap([
          [0, member.device],
          [1, member.durable.flatMap(({ indexId, sequence }) => [writeIndexId(indexId), sequence])],
        ]),
      ),
    ],
  ],
  read: (fields) => ({
    type: 'members',
    folder: readFolder(fields.get(0)),
    members: asList(fields.get(1), 'members', Limits.members).map((value) => {
      const member = asFields(value, 'member');
      const flat = asList(member.get(1), 'durable sequences', 2 * Limits.indexesPerMember);
      const durableThere = [];
      for (let i = 0; i < flat.length; i += 2) {
        durableThere.push({ indexId: readIndexId(flat[i]), sequence: asUint(flat[i + 1], 'sequence') });
      }
      return { device: readIdentifier(member.get(0), 'device'), durable: durableThere };
    }),
  }),
});

export const receiptCodecs: FrameCodecs<'delivered' | 'durable' | 'members'> = {
  delivered: frameCodec<FrameOf<'delivered'>>({
    write: (frame) => [
      [0, frame.folder],
      [1, writeIndexId(frame.indexId)],
      [2, frame.sequence],
    ],
    read: (fields) => ({
      type: 'delivered',
      folder: readFolder(fields.get(0)),
      indexId: readIndexId(fields.get(1)),
      sequence: asUint(fields.get(2), 'sequence'),
    }),
  }),
  durable,
  members,
};
