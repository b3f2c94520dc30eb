import type { FileEntry } from '../core/model/file-entry.js';
import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import { compareStamps } from '../core/model/stamp.js';
import { compareVectors } from '../core/model/version-vector.js';
import type { Blake3, Clock } from '../core/ports/clock.js';
import type { ContentIndex, IndexTransaction } from '../core/ports/content-index.js';
import { authorVersion } from '../core/reconcile/author-version.js';
import { originalOfConflict } from '../core/reconcile/conflict-name.js';
import { mergeRemote } from '../core/reconcile/merge-remote.js';
import { isNeedlessCopy } from '../core/reconcile/needless-copy.js';
import { sameVersion } from '../core/reconcile/version-order.js';
import type { SequencedEntry } from '../core/wire/frames.js';
import type { Adopted, DeletionGuard } from './deletion-guard.js';
import type { FolderReceipts } from './folder-receipts.js';
import { isSettled } from './held-state.js';
import { awaitedCopyPath } from './lost-version.js';

export interface RemoteChangesDependencies {
  readonly index: ContentIndex;
  readonly clock: Clock;
  readonly blake3: Blake3;
  readonly device: DeviceKey;
  readonly receipts: FolderReceipts;
  readonly deletions: Pick<DeletionGuard, 'received'>;
}

export interface Received {
  readonly device: DeviceKey;
  readonly indexId: IndexId;
  readonly entries: readonly SequencedEntry[];
}

/** Takes in what peers announce: keeps the winner of each path as known, and notes what is owed to whom. */
export class RemoteChanges {
  constructor(private readonly deps: RemoteChangesDependencies) {}

  /** One transaction for the whole batch. Says how many known entries changed, and which paths are not as known. */
  receive(received: Received): { readonly changed: number; readonly toPlace: readonly RelativePath[] } {
    let changed = 0;
    const toPlace: RelativePath[] = [];
    const adopted: Adopted[] = [];
    this.deps.index.transact((tx) => {
      for (const { sequence, entry } of received.entries) {
        if (this.take(tx, received.device, sequence, entry, { toPlace, adopted })) changed++;
      }
      this.deps.deletions.received(adopted, tx);
    });
    return { changed, toPlace };
  }

  private take(
    tx: IndexTransaction,
    device: DeviceKey,
    sequence: number,
    remote: FileEntry,
    { toPlace, adopted }: { readonly toPlace: RelativePath[]; readonly adopted: Adopted[] },
  ): boolean {
    const { receipts } = this.deps;
    const row = tx.get(remote.path);
    const merged = mergeRemote(row, remote, { nowMs: this.deps.clock.nowMs(), from: device });
    receipts.received(device, remote.path, sequence);
    if (merged.verdict === 'implausible') {
      tx.setProblem(merged.problem);
      receipts.markUnplaceable(device, remote.path, merged.problem.text);
      return false;
    }
    if (merged.verdict === 'lost') {
      const copyPath = awaitedCopyPath(remote, merged.entry, tx.get, this.deps.blake3);
      if (copyPath !== undefined) receipts.awaitCopy(device, sequence, copyPath);
    }
    const entry = merged.entry;
    const changed = row?.known === undefined || !sameEntry(row.known, entry);
    if (changed) {
      const cameWhole = sameEntry(entry, remote);
      tx.put({
        path: remote.path,
        sequence: tx.nextSequence(),
        known: entry,
        held: row?.held,
        source: cameWhole ? device : undefined,
        conflictOf: row?.conflictOf ?? originalOfConflict(remote.path),
      });
      adopted.push({ before: row, entry });
      this.dropSeenCopies(tx, entry, toPlace);
    }
    if (isSettled(tx.get(remote.path))) receipts.settled(remote.path);
    else toPlace.push(remote.path);
    return changed;
  }

  /** A version that had seen what a conflict copy holds makes the copy needless, unless somebody changed it since. */
  private dropSeenCopies(tx: IndexTransaction, winner: FileEntry, toPlace: RelativePath[]): void {
    for (const row of tx.copiesOf(winner.path)) {
      const copy = row.known;
      if (copy === undefined || row.held === undefined || !sameVersion(row.held.version, copy.version))
        continue;
      if (row.held.racy || !isNeedlessCopy(copy.version, winner.version)) continue;
      const sequence = tx.nextSequence();
      const tombstone = authorVersion({
        path: row.path,
        row,
        content: { type: 'deleted' },
        metadata: copy.metadata,
        incarnation: this.deps.index.identity().incarnation,
        sequence,
        nowMs: this.deps.clock.nowMs(),
        author: this.deps.device,
        found: false,
      });
      tx.put({ ...row, sequence, known: tombstone, source: undefined });
      toPlace.push(row.path);
    }
  }
}

function sameEntry(a: FileEntry, b: FileEntry): boolean {
  return (
    compareStamps(a.version.stamp, b.version.stamp) === 0 &&
    compareVectors(a.version.vector, b.version.vector) === 'equal' &&
    compareStamps(a.metadata.stamp, b.metadata.stamp) === 0
  );
}
