import { asBoolean, asFields, asList, asUint, type Fields, malformed } from './fields.js';
import { type FrameCodecs, fieldMap, frameCodec } from './frame-codec.js';
import type { FolderState, FrameOf } from './frames.js';
import {
  readFolder,
  readIdentifier,
  readIndexId,
  readName,
  readReason,
  readShortId,
  writeIndexId,
  writeShortId,
} from './identifier-fields.js';
import { Limits } from './limits.js';

const ROLES = ['primary', 'data'] as const;

function readFeatures(value: unknown): string[] {
  return asList(value, 'features', Limits.features).map((feature) => readName(feature, 'feature'));
}

function writeState(state: FolderState): Map<number, unknown> {
  return fieldMap([
    [0, state.folder],
    [1, state.label],
    [2, writeIndexId(state.indexId)],
    [3, state.sequence],
    [4, writeShortId(state.commitTag, 'commit tag')],
    [5, state.holding && writeIndexId(state.holding.indexId)],
    [6, state.holding?.sequence],
  ]);
}

function readState(value: unknown): FolderState {
  const fields = asFields(value, 'folder state');
  const heldIndex = fields.get(5);
  if (heldIndex === undefined && fields.get(6) !== undefined)
    throw malformed('held sequence', 'that of an index');
  return {
    folder: readFolder(fields.get(0)),
    label: readName(fields.get(1), 'label'),
    indexId: readIndexId(fields.get(2)),
    sequence: asUint(fields.get(3), 'sequence'),
    commitTag: readShortId(fields.get(4), 'commit tag'),
    holding:
      heldIndex === undefined
        ? undefined
        : { indexId: readIndexId(heldIndex), sequence: asUint(fields.get(6), 'held sequence') },
  };
}

function authCodec<T extends 'auth' | 'authOk'>(type: T) {
  return frameCodec<FrameOf<'auth'> | FrameOf<'authOk'>>({
    write: (frame) => [[0, frame.folders.map(writeState)]],
    read: (fields) => {
      const folders = asList(fields.get(0), 'folders', Limits.foldersPerDevice).map(readState);
      if (new Set(folders.map((state) => state.folder)).size !== folders.length) {
        throw malformed('folders', 'a list that names each folder once');
      }
      return { type, folders } as FrameOf<'auth'> | FrameOf<'authOk'>;
    },
  });
}

function nonceCodec(type: 'ping' | 'pong') {
  return frameCodec<FrameOf<'ping'> | FrameOf<'pong'>>({
    write: (frame) => [[0, frame.nonce]],
    read: (fields) => ({ type, nonce: asUint(fields.get(0), 'nonce') }),
  });
}

function reasonCodec(type: 'authFailed' | 'goodbye') {
  return frameCodec<FrameOf<'authFailed'> | FrameOf<'goodbye'>>({
    write: (frame) => [[0, frame.reason]],
    read: (fields) => ({ type, reason: readReason(fields.get(0)) }),
  });
}

function stateCodec(type: 'folderOffer' | 'folderAccept') {
  return frameCodec<FrameOf<'folderOffer'> | FrameOf<'folderAccept'>>({
    write: (frame) => [[0, writeState(frame.state)]],
    read: (fields) => ({ type, state: readState(fields.get(0)) }),
  });
}

function folderCodec(type: 'folderDecline' | 'folderRemove' | 'folderPromoted') {
  return frameCodec<FrameOf<'folderDecline'> | FrameOf<'folderRemove'> | FrameOf<'folderPromoted'>>({
    write: (frame) => [[0, frame.folder]],
    read: (fields) => ({ type, folder: readFolder(fields.get(0)) }),
  });
}

const hello = frameCodec<FrameOf<'hello'>>({
  write: (frame) => [
    [0, frame.versions],
    [1, frame.bootId],
    [2, ROLES.indexOf(frame.role)],
    [3, frame.name],
    [4, frame.software],
    [5, frame.features],
  ],
  read: (fields) => {
    const role = ROLES[asUint(fields.get(2), 'role')];
    if (role === undefined) throw malformed('role', 'primary or data');
    return {
      type: 'hello',
      versions: asList(fields.get(0), 'versions', Limits.protocolVersionsOffered).map((version) =>
        asUint(version, 'version'),
      ),
      bootId: readIdentifier(fields.get(1), 'boot ID'),
      role,
      name: readName(fields.get(3), 'name'),
      software: readName(fields.get(4), 'software'),
      features: readFeatures(fields.get(5)),
    };
  },
});

const helloAck = frameCodec<FrameOf<'helloAck'>>({
  write: (frame) => [
    [0, frame.version],
    [1, frame.bootId],
    [2, frame.sessionId],
    [3, frame.name],
    [4, frame.software],
    [5, frame.features],
  ],
  read: (fields) => ({
    type: 'helloAck',
    version: fields.get(0) === undefined ? undefined : asUint(fields.get(0), 'version'),
    bootId: readIdentifier(fields.get(1), 'boot ID'),
    sessionId: readIdentifier(fields.get(2), 'session ID'),
    name: readName(fields.get(3), 'name'),
    software: readName(fields.get(4), 'software'),
    features: readFeatures(fields.get(5)),
  }),
});

function readShard(fields: Fields): { folder: ReturnType<typeof readFolder>; shard: number } {
  return { folder: readFolder(fields.get(0)), shard: asUint(fields.get(1), 'shard', 7) };
}

export const controlCodecs: FrameCodecs<
  | 'hello'
  | 'helloAck'
  | 'auth'
  | 'authOk'
  | 'authFailed'
  | 'ping'
  | 'pong'
  | 'throttle'
  | 'goodbye'
  | 'folderOffer'
  | 'folderAccept'
  | 'folderDecline'
  | 'folderRemove'
  | 'folderPause'
  | 'shardAssignment'
  | 'folderPromoted'
  | 'folderDemoted'
  | 'error'
> = {
  hello,
  helloAck,
  auth: authCodec('auth'),
  authOk: authCodec('authOk'),
  authFailed: reasonCodec('authFailed'),
  ping: nonceCodec('ping'),
  pong: nonceCodec('pong'),
  throttle: frameCodec<FrameOf<'throttle'>>({
    write: (frame) => [
      [0, frame.entriesPerSecond],
      [1, frame.forMs],
    ],
    read: (fields) => ({
      type: 'throttle',
      entriesPerSecond: asUint(fields.get(0), 'rate'),
      forMs: asUint(fields.get(1), 'duration', Limits.throttleMs),
    }),
  }),
  goodbye: reasonCodec('goodbye'),
  folderOffer: stateCodec('folderOffer'),
  folderAccept: stateCodec('folderAccept'),
  folderDecline: folderCodec('folderDecline'),
  folderRemove: folderCodec('folderRemove'),
  folderPause: frameCodec<FrameOf<'folderPause'>>({
    write: (frame) => [
      [0, frame.folder],
      [1, frame.paused],
    ],
    read: (fields) => ({
      type: 'folderPause',
      folder: readFolder(fields.get(0)),
      paused: asBoolean(fields.get(1), 'paused'),
    }),
  }),
  shardAssignment: frameCodec<FrameOf<'shardAssignment'>>({
    write: (frame) => [
      [
        0,
        frame.shards.map(({ folder, shard }) =>
          fieldMap([
            [0, folder],
            [1, shard],
          ]),
        ),
      ],
    ],
    read: (fields) => ({
      type: 'shardAssignment',
      shards: asList(fields.get(0), 'shards', Limits.foldersPerDevice).map((shard) =>
        readShard(asFields(shard, 'shard')),
      ),
    }),
  }),
  folderPromoted: folderCodec('folderPromoted'),
  folderDemoted: frameCodec<FrameOf<'folderDemoted'>>({
    write: (frame) => [
      [0, frame.folder],
      [1, frame.shard],
    ],
    read: (fields) => ({ type: 'folderDemoted', ...readShard(fields) }),
  }),
  error: frameCodec<FrameOf<'error'>>({
    write: (frame) => [
      [0, frame.code],
      [1, frame.text],
    ],
    read: (fields) => ({
      type: 'error',
      code: asUint(fields.get(0), 'code'),
      text: readReason(fields.get(1)),
    }),
  }),
};
