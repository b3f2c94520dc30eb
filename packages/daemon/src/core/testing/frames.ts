import type { FolderId, IndexId } from '../model/identifiers.js';
import type { FolderState, Frame } from '../wire/frames.js';
import { asPath, deleted, directory, entryOf, file, hashOf, symlink } from './entries.js';

export const folder = 'photos' as FolderId;
const indexId = '0123456789abcdef' as IndexId;
export const state: FolderState = {
  folder,
  label: 'Photos ☀',
  indexId,
  sequence: 300,
  commitTag: 'fedcba9876543210',
  holding: { indexId: 'aaaaaaaaaaaaaaaa' as IndexId, sequence: 2 ** 40 },
};
export const secret = Uint8Array.of(1, 2, 3);

const entries = [
  entryOf('a/ü.txt', {
    content: file('hello'),
    vector: { a: 1, b: 2 ** 33 },
    at: 1_790_000_000_000,
    replaced: ['x'],
  }),
  entryOf('d', { content: directory, vector: { a: 2 }, at: 5, metadata: { mode: 0o755, executable: true } }),
  entryOf('l', {
    content: symlink('../t'),
    vector: { a: 3 },
    at: 6,
    metadata: { mtimeNs: 1_790_000_000_123_456_789n },
  }),
  entryOf('gone', {
    content: deleted,
    vector: { b: 9 },
    at: -7,
    found: true,
    metadata: { mtimeNs: -7_000_000n },
  }),
].map((entry, i) => ({ sequence: 10 + i, entry }));

/** A frame of every type. */
export const frames: readonly Frame[] = [
  {
    type: 'hello',
    versions: [1, 2],
    bootId: 'boot',
    role: 'data',
    name: 'Laptop',
    software: 'landropic 0.1',
    features: ['f'],
  },
  { type: 'helloAck', version: 1, bootId: 'boot', sessionId: 's', name: 'Desk', software: 'x', features: [] },
  {
    type: 'helloAck',
    version: undefined,
    bootId: 'boot',
    sessionId: 's',
    name: 'Desk',
    software: 'x',
    features: [],
  },
  { type: 'auth', folders: [state] },
  { type: 'authOk', folders: [{ ...state, holding: undefined }] },
  { type: 'authFailed', reason: 'no' },
  { type: 'ping', nonce: 7 },
  { type: 'pong', nonce: 2 ** 50 },
  { type: 'throttle', entriesPerSecond: 100, forMs: 60_000 },
  { type: 'goodbye', reason: 'bye' },
  { type: 'folderOffer', state },
  { type: 'folderAccept', state },
  { type: 'folderDecline', folder },
  { type: 'folderRemove', folder },
  { type: 'folderPause', folder, paused: true },
  { type: 'indexStart', folder, indexId, afterSequence: 5 },
  { type: 'indexEntries', folder, entries },
  {
    type: 'chunkListPart',
    folder,
    path: asPath('big'),
    offset: 3,
    chunks: [{ hash: hashOf('c'), lengthBytes: 65_536 }],
  },
  { type: 'indexEnd', folder, upToSequence: 99 },
  { type: 'shardAssignment', shards: [{ folder, shard: 7 }] },
  { type: 'folderPromoted', folder },
  { type: 'folderDemoted', folder, shard: 0 },
  { type: 'delivered', folder, indexId, sequence: 4 },
  { type: 'durable', folder, indexId, sequence: 3, unplaceable: [{ path: 'CON', reason: 'reserved' }] },
  { type: 'members', folder, members: [{ device: 'AAA', durable: [{ indexId, sequence: 8 }] }] },
  { type: 'chunkRequest', requestId: 1, folder, chunks: [hashOf('c'), hashOf('d')] },
  { type: 'chunk', requestId: 300, index: 1023, bytes: secret },
  { type: 'chunkMissing', requestId: 1, index: 2 },
  { type: 'chunkCancel', requestId: 1 },
  { type: 'presenceOnline', counter: 1 },
  { type: 'presenceAway', counter: 2 },
  { type: 'presenceOffline', counter: 3 },
  { type: 'folderActivity', counter: 4, folder, sequence: 5 },
  { type: 'redeem', ticketId: secret, proof: secret, name: 'Phone', listenPort: 4242 },
  { type: 'redeem', ticketId: secret, proof: secret, name: 'Phone', listenPort: undefined },
  { type: 'redeemed', proof: secret, name: 'Phone' },
  { type: 'sasCommit', commitment: secret, name: 'Phone' },
  { type: 'sasNonce', nonce: secret, name: 'Phone' },
  { type: 'sasReveal', nonce: secret },
  { type: 'sasConfirm', confirmed: false },
  { type: 'pairRefused', reason: 'expired' },
  { type: 'error', code: 3, text: 'what' },
];
