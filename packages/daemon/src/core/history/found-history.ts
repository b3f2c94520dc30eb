import { parseRelativePath, type RelativePath } from '../model/relative-path.js';
import type { HistoryItem } from '../ports/content-index.js';
import type { HistoryFile } from '../ports/history-area.js';

const BATCH = /^history\/(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})-[^/]*\/(.+)$/;

/**
 * What a file of history is that the index knows nothing of, as after the index was made anew: its place says when it was
 * displaced and from where. Undefined for what is no file of ours.
 */
export function describeFound(
  { area, stat }: HistoryFile,
  stands: (path: RelativePath) => boolean,
): HistoryItem | undefined {
  const match = BATCH.exec(area);
  if (match === null || (stat.type !== 'file' && stat.type !== 'symlink')) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const path = parseRelativePath(match[7] ?? '');
  if (path === undefined) return undefined;
  const displacedAtMs = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  const reason = stands(path) ? 'replaced' : 'deleted';
  return { path, area, displacedAtMs, sizeBytes: stat.sizeBytes, hash: undefined, reason, author: undefined };
}
