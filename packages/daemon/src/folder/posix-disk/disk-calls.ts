import type { Content } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { RelativePath } from '../../core/model/relative-path.js';
import type {
  AreaPath,
  CopyChunk,
  DiskResult,
  DiskStep,
  FileStat,
  HashedFile,
  ReadChunk,
} from '../../core/ports/folder-disk.js';
import type { HistoryCopy, HistoryFile } from '../../core/ports/history-area.js';
import { accessDirectories } from './access-directories.js';
import { type PackedChunks, readChunks } from './chunk-reading.js';
import type { DirectoryAccess } from './directory-access.js';
import { listDirectory, type PackedListing, statNames } from './directory-listing.js';
import { attempt, succeeded } from './disk-failure.js';
import { type ByteRange, hashFile } from './file-hashing.js';
import { listHistory, removeHistory, takeHistoryCopy } from './history-files.js';
import { locateEntry } from './location.js';
import { lstatAt } from './naming-steps.js';
import {
  type ChunkToWrite,
  type CopiedChunks,
  copyChunks,
  discardPartial,
  finishPartial,
  hashAhead,
  listPartials,
  type OpenedPartial,
  openPartial,
  type WrittenChunks,
  writeChunks,
} from './partial-files.js';
import { type ChunkedRange, chunkRange, hashRange } from './range-hashing.js';
import type { RunningAt, RunningHashes } from './running-hashes.js';
import { toFileStat } from './stat-record.js';
import type { PackedReplies } from './step-replies.js';
import { StepRunner } from './step-runner.js';
import { flushDirectories, measureSpace } from './whole-folder.js';

type FileContent = Content & { type: 'file' };

/** What a disk thread can be asked for; each is short, or can be given up. */
export type DiskCall =
  | { readonly op: 'list'; readonly directory: string }
  | { readonly op: 'stat-names'; readonly directory: string; readonly names: readonly string[] }
  | { readonly op: 'stat'; readonly paths: readonly RelativePath[] }
  | {
      readonly op: 'hash';
      readonly path: RelativePath;
      readonly expected: FileStat;
      readonly abort: Int32Array;
    }
  | {
      readonly op: 'chunk-range';
      readonly path: RelativePath;
      readonly expected: FileStat;
      readonly range: ByteRange;
      /** Of the whole file's hash, which goes on with what is read; undefined to leave it alone. */
      readonly hashing: number | undefined;
    }
  | {
      readonly op: 'hash-range';
      readonly path: RelativePath;
      readonly expected: FileStat;
      readonly range: ByteRange;
      readonly hashing: number;
    }
  | { readonly op: 'hash-small'; readonly files: readonly { path: RelativePath; expected: FileStat }[] }
  | {
      readonly op: 'read-chunks';
      readonly requests: readonly ReadChunk[];
      readonly into: SharedArrayBuffer | undefined;
    }
  | { readonly op: 'open-partial'; readonly content: FileContent }
  | { readonly op: 'write-chunks'; readonly hash: ContentHash; readonly writes: readonly ChunkToWrite[] }
  | { readonly op: 'copy-chunks'; readonly hash: ContentHash; readonly copies: readonly CopyChunk[] }
  | { readonly op: 'hash-ahead'; readonly hash: ContentHash; readonly range: ByteRange }
  | {
      readonly op: 'finish-partial';
      readonly content: FileContent;
      readonly soundAtNs: bigint | undefined;
    }
  | { readonly op: 'discard-partial'; readonly hash: ContentHash }
  | { readonly op: 'list-partials' }
  | { readonly op: 'run'; readonly items: readonly (readonly DiskStep[])[] }
  | {
      readonly op: 'flush-directories';
      readonly directories: readonly (string | { readonly area: AreaPath })[];
    }
  | { readonly op: 'measure-space' }
  | { readonly op: 'take-history-copy'; readonly area: AreaPath }
  | { readonly op: 'remove-history'; readonly areas: readonly AreaPath[] }
  | { readonly op: 'list-history'; readonly limit: number };

export interface DiskReplies {
  list: PackedListing;
  'stat-names': PackedListing;
  stat: readonly DiskResult<FileStat | undefined>[];
  hash: HashedFile;
  'chunk-range': ChunkedRange;
  'hash-range': { readonly stat: FileStat };
  'hash-small': readonly DiskResult<HashedFile>[];
  'read-chunks': PackedChunks;
  'open-partial': OpenedPartial;
  'write-chunks': WrittenChunks;
  'copy-chunks': CopiedChunks;
  'hash-ahead': undefined;
  'finish-partial': 'complete' | 'wrong-hash';
  'discard-partial': undefined;
  'list-partials': readonly ContentHash[];
  run: PackedReplies;
  'flush-directories': undefined;
  'measure-space': { freeBytes: number; totalBytes: number };
  'take-history-copy': HistoryCopy;
  'remove-history': readonly DiskResult<undefined>[];
  'list-history': readonly HistoryFile[];
}

export type DiskOp = DiskCall['op'];
export type ReplyTo<Call extends DiskCall> = DiskReplies[Call['op']];

/**
 * Carries out one call on one folder; fails as a whole only where the reply has no place for failures of parts. `hashes`
 * is the thread's own.
 */
export async function carryOutCall(
  rootPath: string,
  call: DiskCall,
  hashes: RunningHashes,
): Promise<DiskResult<DiskReplies[DiskOp]>> {
  const path = 'path' in call ? call.path : 'directory' in call ? call.directory : '';
  const reply = attempt(path, () => {
    const access = accessDirectories(rootPath);
    try {
      return dispatch(access, call, { hashes, rootPath });
    } finally {
      access.close();
    }
  });
  return reply.ok ? succeeded(await reply.value) : reply;
}

/** Buffers in a reply that can be handed over rather than copied. */
export function buffersOf(reply: DiskReplies[DiskOp]): ArrayBuffer[] {
  if (reply === undefined || typeof reply !== 'object') return [];
  if ('offsets' in reply) return reply.bytes.buffer instanceof ArrayBuffer ? [reply.bytes.buffer] : [];
  if ('outcomes' in reply) return [reply.counts.buffer, reply.outcomes.buffer, reply.stats.buffer];
  return 'targets' in reply ? [reply.stats.buffer] : [];
}

interface Running {
  readonly hashes: RunningHashes;
  readonly rootPath: string;
}

function dispatch(
  access: DirectoryAccess,
  call: DiskCall,
  running: Running,
): DiskReplies[DiskOp] | Promise<DiskReplies[DiskOp]> {
  switch (call.op) {
    case 'list':
      return listDirectory(access, call.directory);
    case 'stat-names':
      return statNames(access, call.directory, call.names);
    case 'stat':
      return call.paths.map((path) => attempt(path, () => statEntry(access, path)));
    case 'hash':
      return hashFile(access, call.path, call.expected, () => Atomics.load(call.abort, 0) !== 0);
    case 'chunk-range':
      return chunkRange(
        access,
        call.path,
        call.expected,
        call.range,
        call.hashing === undefined ? undefined : ofFile(running, call.hashing),
      );
    case 'hash-range':
      return hashRange(access, call.path, call.expected, call.range, ofFile(running, call.hashing));
    case 'hash-small':
      return call.files.map(({ path, expected }) =>
        attempt(path, () => hashFile(access, path, expected, () => false)),
      );
    case 'read-chunks':
      return readChunks(access, call.requests, call.into);
    case 'open-partial':
      return openPartial(access, call.content);
    case 'write-chunks':
      return writeChunks(access, call.hash, call.writes);
    case 'copy-chunks':
      return copyChunks(access, call.hash, call.copies);
    case 'hash-ahead':
      hashAhead(access, call.hash, call.range, ofPartial(running, call.hash));
      return undefined;
    case 'finish-partial':
      return finishOpenPartial(access, call, running);
    case 'discard-partial':
      running.hashes.take(ofPartial(running, call.hash).key);
      discardPartial(access, call.hash);
      return undefined;
    case 'list-partials':
      return listPartials(access);
    case 'run':
      return new StepRunner(access, call.items.length * 2).run(call.items);
    case 'flush-directories':
      flushDirectories(access, call.directories);
      return undefined;
    case 'measure-space':
      return measureSpace(access);
    case 'take-history-copy':
      return takeHistoryCopy(access, call.area);
    case 'remove-history':
      return removeHistory(access, call.areas);
    case 'list-history':
      return listHistory(access, call.limit);
  }
}

function finishOpenPartial(
  access: DirectoryAccess,
  { content, soundAtNs }: DiskCall & { readonly op: 'finish-partial' },
  { hashes, rootPath }: Running,
): 'complete' | 'wrong-hash' {
  const running = hashes.take(ofPartial({ hashes, rootPath }, content.hash).key);
  const isAhead = running !== undefined && soundAtNs !== undefined;
  return finishPartial(access, content, isAhead ? { running, soundAtNs } : undefined);
}

function ofPartial({ hashes, rootPath }: Running, hash: ContentHash): RunningAt {
  return { hashes, key: `partial ${hash} ${rootPath}` };
}

function ofFile({ hashes }: Running, hashing: number): RunningAt {
  return { hashes, key: `file ${hashing}` };
}

function statEntry(access: DirectoryAccess, path: RelativePath): FileStat | undefined {
  const stats = lstatAt(access, locateEntry(path));
  return stats === undefined ? undefined : toFileStat(stats);
}
