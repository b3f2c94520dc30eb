import { sameContent } from '../core/model/file-entry.js';
import type { ContentIndex, HistoryItem } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { HistoryArea } from '../core/ports/history-area.js';
import type { LocalEdit, LocalEditOutcome, LocalEdits } from './local-edits.js';

export interface RestoreDependencies {
  readonly index: ContentIndex;
  readonly disk: Pick<FolderDisk, 'discardPartial'>;
  readonly history: HistoryArea;
  readonly edits: Pick<LocalEdits, 'perform'>;
}

export type RestoreOutcome =
  | LocalEditOutcome
  /** That content stands at the path already. */
  | { readonly outcome: 'stands' };

const ATTEMPTS = 2;

/** Brings a version back from history, as a new one of this device. History keeps its own, and gets what stood there. */
export async function restoreVersion(
  item: HistoryItem,
  deps: RestoreDependencies,
  signal: AbortSignal,
): Promise<RestoreOutcome> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryRestoring(item, deps, signal);
    // The copy lies where it may be cleared away as not wanted by anybody.
    if (outcome.outcome !== 'source-gone' || attempt === ATTEMPTS) return outcome;
  }
}

async function tryRestoring(
  { path, area, sizeBytes }: HistoryItem,
  { index, disk, history, edits }: RestoreDependencies,
  signal: AbortSignal,
): Promise<RestoreOutcome> {
  const taken = await history.takeCopy(area, sizeBytes);
  if (!taken.ok) {
    if (taken.error.code === 'ENOENT') {
      index.transact((tx) => tx.removeHistory({ path, area }));
      return { outcome: 'source-gone' };
    }
    return { outcome: 'failed', problem: { path, code: 'io-error', text: taken.error.message } };
  }
  const { content, stat } = taken.value;
  const held = index.get(path)?.held?.version.content;
  const stands = held !== undefined && sameContent(held, content);
  const action: LocalEdit['action'] =
    content.type === 'file'
      ? { kind: 'file', from: { kind: 'partial' } }
      : { kind: 'symlink', target: content.target };
  const metadata = { mtimeNs: stat.mtimeNs, executable: (stat.mode & 0o100) !== 0, mode: stat.mode };
  const outcome: RestoreOutcome = stands
    ? { outcome: 'stands' }
    : await edits.perform({ path, content, metadata, action }, signal);
  if (outcome.outcome !== 'done' && content.type === 'file') await disk.discardPartial(content.hash);
  return outcome;
}
