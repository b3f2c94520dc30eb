import { DIFF_LIMITS, textOf, unifiedDiff } from '../core/conflicts/line-diff.js';
import { keptName, planResolution } from '../core/conflicts/resolution.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import { ApiError, type ConflictVersion } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { resolveConflict } from '../sync/resolve-conflict.js';
import type { DaemonParts } from './daemon-parts.js';
import { entryInFolder, type PlaceInFolder } from './folder-paths.js';
import { deviceName } from './named.js';

interface Conflict {
  readonly place: PlaceInFolder & { readonly path: RelativePath };
  readonly original: RelativePath;
  /** Those that stand here; the one that was named, where one was. */
  readonly copies: readonly IndexRow[];
}

export function conflictHandlers(parts: DaemonParts): Pick<Handlers, 'conflicts.show' | 'conflicts.resolve'> {
  return {
    'conflicts.show': async ({ folder, path }) => {
      const { place, original, copies } = await findConflict(parts, path, folder);
      const { index } = place.assembled.runner;
      const kept = index.get(original);
      const describe = (row: IndexRow) => describeVersion(parts, row);
      const differences = copies.map(async (copy) => {
        const diff = await difference(kept, copy, place.assembled.disk);
        return { ...describe(copy), diff: diff ?? null };
      });
      return {
        folder: place.folder.setting.id,
        path: original,
        original: kept?.held === undefined ? null : describe(kept),
        copies: await Promise.all(differences),
      };
    },
    'conflicts.resolve': async ({ folder, path, keep }, { signal }) => {
      const { place, original, copies } = await findConflict(parts, path, folder);
      const { runner } = place.assembled;
      const taken = new Set<RelativePath>();
      const steps = planResolution({
        named: place.path,
        original,
        copies: copies.map((copy) => copy.path),
        keep,
        nameFor: (copy) => {
          const author = copies.find((row) => row.path === copy)?.held?.version.author;
          const name = author === undefined ? 'copy' : deviceName(parts, author);
          const isTaken = (each: RelativePath) => taken.has(each) || isThere(runner.index.get(each));
          const chosen = keptName(original, name, isTaken);
          taken.add(chosen);
          return chosen;
        },
      });
      if (steps === undefined)
        throw new ApiError('usage', `There are ${copies.length} other versions of ${original}. Name one.`, {
          hint: "See: 'landropic conflicts'",
        });
      const problem = await resolveConflict(steps, { index: runner.index, edits: runner.edits }, signal);
      if (problem !== undefined)
        throw new ApiError('file-system', `${problem.path} could not be resolved: ${problem.text}`);
      return {
        folder: place.folder.setting.id,
        path: original,
        removed: steps.map(({ copy }) => copy),
        keptAs: steps.flatMap((step) => (step.kind === 'rename' ? [step.to] : [])),
        replaced: steps.some(({ kind }) => kind === 'replace'),
      };
    },
  };
}

/** Of the path that was named, a copy's or an original's. Throws `not-found` where there is none. */
async function findConflict(parts: DaemonParts, path: string, folder: string | undefined): Promise<Conflict> {
  const place = entryInFolder(parts, path, folder);
  const { index } = place.assembled.runner;
  const named = index.get(place.path);
  if (named?.conflictOf !== undefined && isThere(named))
    return { place, original: named.conflictOf, copies: [named] };
  const copies = index.copiesOf(place.path).filter(isThere);
  if (copies.length === 0)
    throw new ApiError('not-found', `There is no conflict about ${place.path}. See: landropic conflicts`);
  return { place, original: place.path, copies };
}

function isThere(row: IndexRow | undefined): boolean {
  return row?.held !== undefined;
}

function describeVersion(parts: DaemonParts, { path, held }: IndexRow): ConflictVersion {
  const { version, metadata, stat } = held ?? {};
  const author = version?.author;
  return {
    path,
    device: author ?? '',
    deviceName: author === undefined ? '' : deviceName(parts, author),
    modifiedAt: new Date(Number((metadata?.mtimeNs ?? 0n) / 1_000_000n)).toISOString(),
    sizeBytes: stat?.sizeBytes ?? 0,
    type: version?.content.type ?? 'deleted',
  };
}

/** From the original to the copy; undefined unless both are small texts. */
async function difference(
  original: IndexRow | undefined,
  copy: IndexRow,
  disk: FolderDisk,
): Promise<string | undefined> {
  const [before, after] = await Promise.all([readText(original, disk), readText(copy, disk)]);
  return before === undefined || after === undefined ? undefined : unifiedDiff(before, after);
}

async function readText(row: IndexRow | undefined, disk: FolderDisk): Promise<string | undefined> {
  const content = row?.held?.version.content;
  if (row === undefined || content?.type !== 'file' || content.sizeBytes > DIFF_LIMITS.bytes)
    return undefined;
  let offsetBytes = 0;
  const requests = content.chunks.map((chunk) => {
    const request = { path: row.path, offsetBytes, chunk };
    offsetBytes += chunk.lengthBytes;
    return request;
  });
  const pieces = await disk.readChunks(requests);
  const sound = pieces.filter((piece) => piece !== undefined);
  // Changed since: what would be shown is not what was kept.
  return sound.length < pieces.length ? undefined : textOf(Buffer.concat(sound));
}
