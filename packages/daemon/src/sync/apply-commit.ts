import type { FileEntry } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ApplyOutcome, ApplyTask, Recovered } from '../core/ports/applier.js';
import type { ContentIndex, Held, IndexRow, IndexTransaction } from '../core/ports/content-index.js';
import type { FileStat } from '../core/ports/folder-disk.js';
import { mergeRemote } from '../core/reconcile/merge-remote.js';
import { compareVersions, sameVersion } from '../core/reconcile/version-order.js';

type Applied = Extract<ApplyOutcome, { outcome: 'applied' }>;

export interface CommitContext {
  readonly index: ContentIndex;
  readonly nowMs: number;
  /** Other devices than the source learn from us that the content is here now. */
  readonly relays: boolean;
}

/** Stores what the applier did as held, together with what it left in history and copies, in one transaction. */
export function commitApplied(
  done: readonly { readonly task: ApplyTask; readonly outcome: Applied }[],
  context: CommitContext,
): RelativePath[] {
  const copies: RelativePath[] = [];
  context.index.transact((tx) => {
    for (const { task, outcome } of done) {
      // A change between the look at a file and the setting of its times shows only in its bytes.
      holdEntry(tx, task.path, task.entry, outcome.stat, context, task.action.kind === 'metadata');
      if (task.action.kind === 'move')
        holdEntry(tx, task.action.from, task.action.fromEntry, undefined, context);
      if (outcome.copy !== undefined) copies.push(holdCopy(tx, task.path, outcome.copy, context));
      if (outcome.historyItem !== undefined) tx.addHistory(outcome.historyItem);
      if (outcome.intentId !== undefined) tx.removeIntent(outcome.intentId);
      tx.clearProblem(task.path);
    }
  });
  return copies;
}

/** Stores what a crash had left undone and the applier has finished. */
export function commitRecovered(
  recovered: readonly Recovered[],
  context: Omit<CommitContext, 'relays'>,
): void {
  if (recovered.length === 0) return;
  const whole = { ...context, relays: false };
  context.index.transact((tx) => {
    for (const item of recovered) {
      holdEntry(tx, item.path, item.entry, item.stat, whole);
      announceRecovered(tx, item);
      if (item.movedFrom !== undefined) {
        const row = tx.get(item.movedFrom);
        if (row !== undefined) tx.put({ ...row, held: undefined });
      }
      if (item.copy !== undefined) holdCopy(tx, item.path, item.copy, whole);
      if (item.historyItem !== undefined) tx.addHistory(item.historyItem);
      tx.removeIntent(item.intentId);
    }
  });
}

/**
 * What was brought here from elsewhere was known before it was held. What a command made here is not, when the crash came
 * before it was stored: it stands on the disk, so it becomes known now.
 */
function announceRecovered(tx: IndexTransaction, { path, entry, stat }: Recovered): void {
  const row = tx.get(path);
  // A directory may stand without an entry of its own.
  if (row === undefined || stat?.type === 'directory') return;
  if (row.known !== undefined && compareVersions(entry.version, row.known.version) <= 0) return;
  tx.put({ ...row, known: entry, sequence: tx.nextSequence(), source: undefined });
}

/** Follows in the index alone where what is wanted stands on the disk already. */
export function commitAdoptions(
  adoptions: readonly { readonly path: RelativePath; readonly entry: FileEntry }[],
  context: CommitContext,
): void {
  context.index.transact((tx) => {
    for (const { path, entry } of adoptions) {
      const held = tx.get(path)?.held;
      if (held !== undefined) holdEntry(tx, path, entry, held.stat, context, held.racy);
    }
  });
}

/** Makes a conflict copy known that stands nowhere yet: it is fetched or copied like any entry. */
export function commitCopies(
  copies: readonly { readonly original: RelativePath; readonly entry: FileEntry }[],
  context: CommitContext,
): void {
  context.index.transact((tx) => {
    for (const { original, entry } of copies) mergeCopy(tx, original, entry, undefined, context);
  });
}

function holdEntry(
  tx: IndexTransaction,
  path: RelativePath,
  entry: FileEntry,
  stat: FileStat | undefined,
  context: CommitContext,
  racy = false,
): void {
  const row = tx.get(path);
  const held: Held | undefined = stat && { version: entry.version, metadata: entry.metadata, stat, racy };
  if (row?.known === undefined && held === undefined) {
    tx.remove(path);
    return;
  }
  const before: IndexRow = row ?? {
    path,
    sequence: 0,
    known: undefined,
    held: undefined,
    source: undefined,
    conflictOf: undefined,
  };
  const isNews =
    context.relays && before.known !== undefined && sameVersion(before.known.version, entry.version);
  tx.put({ ...before, held, sequence: isNews ? tx.nextSequence() : before.sequence });
}

function holdCopy(
  tx: IndexTransaction,
  original: RelativePath,
  copy: { readonly entry: FileEntry; readonly stat: FileStat },
  context: CommitContext,
): RelativePath {
  const { entry, stat } = copy;
  return mergeCopy(
    tx,
    original,
    entry,
    { version: entry.version, metadata: entry.metadata, stat, racy: false },
    context,
  );
}

function mergeCopy(
  tx: IndexTransaction,
  original: RelativePath,
  entry: FileEntry,
  held: Held | undefined,
  context: CommitContext,
): RelativePath {
  const row = tx.get(entry.path);
  const merged = mergeRemote(row, entry, { nowMs: context.nowMs });
  const known = merged.verdict === 'implausible' ? row?.known : merged.entry;
  const isNews = known !== row?.known;
  tx.put({
    path: entry.path,
    sequence: isNews || row === undefined ? tx.nextSequence() : row.sequence,
    known,
    held: held ?? row?.held,
    source: isNews ? undefined : row?.source,
    conflictOf: original,
  });
  return entry.path;
}
