import { randomBytes } from 'node:crypto';
import { existsSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { IndexId } from '../core/model/identifiers.js';
import type { FolderState } from '../core/wire/frames.js';
import { createArea, createFolderDisk } from '../folder/posix-disk/posix-folder-disk.js';
import { ApiError } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { compareWithListing } from '../sync/compare-with-listing.js';
import type { FolderOffer } from '../sync/orchestrator.js';
import { ListingError, RemoteListing } from '../sync/remote-listing.js';
import type { DaemonParts } from './daemon-parts.js';
import { deviceName } from './named.js';
import { checkRoot, holdsFiles, offersOf } from './offered-folders.js';

const LISTING_TIMEOUT_MS = 120_000;
const AREA = '.landropic';

export function previewHandlers(parts: DaemonParts): Pick<Handlers, 'folders.preview'> {
  return {
    'folders.preview': async ({ id, path }, { signal }) => {
      const [offer] = offersOf(parts, id);
      // Taken from another device already: then nothing is merged that is not merged yet.
      const taken = parts.folders.get(offer.folder)?.setting.path;
      const root = taken ?? checkRoot(path, parts);
      const about = {
        id: offer.folder,
        label: offer.label,
        path: root,
        device: offer.device,
        deviceName: deviceName(parts, offer.device),
      };
      if (taken !== undefined || !holdsFiles(root)) return { ...about, files: null };
      const listing = new RemoteListing(parts.clock, {
        state: emptyState(offer),
        theirSequence: offer.sequence,
        timeoutMs: LISTING_TIMEOUT_MS,
      });
      const onAbort = () => listing.stop();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        if (!parts.orchestrator.startPreview(offer, listing))
          throw new ApiError('unreachable', `${about.deviceName} is not connected. See: landropic devices`);
        const there = await listing.whole().catch((error: unknown) => {
          throw listingFailure(error, about.deviceName);
        });
        return { ...about, files: await withDisk(root, (disk) => compareWithListing(disk, there, signal)) };
      } finally {
        signal.removeEventListener('abort', onAbort);
        parts.orchestrator.endPreview(offer);
        listing.stop();
      }
    },
  };
}

function emptyState({ folder, label }: FolderOffer): FolderState {
  const indexId = randomBytes(8).toString('hex') as IndexId;
  const commitTag = randomBytes(8).toString('hex');
  return { folder, label, indexId, sequence: 0, commitTag, holding: undefined };
}

/** Its marker is made only for as long as the disk is looked at, where there was none. */
async function withDisk<T>(
  rootPath: string,
  use: (disk: ReturnType<typeof createFolderDisk>) => Promise<T>,
): Promise<T> {
  const isNew = !existsSync(join(rootPath, AREA));
  createArea(rootPath);
  const disk = createFolderDisk({ rootPath });
  try {
    return await use(disk);
  } finally {
    await disk.close();
    if (isNew) for (const below of ['tmp', 'history', '']) rmdirSync(join(rootPath, AREA, below));
  }
}

function listingFailure(error: unknown, device: string): unknown {
  if (!(error instanceof ListingError)) return error;
  const [code, why] =
    error.code === 'timeout'
      ? (['timeout', `${device} did not say in time what it has.`] as const)
      : error.code === 'too-large'
        ? (['cannot-come-true', `${device} has more files than can be compared.`] as const)
        : (['unreachable', `The connection to ${device} was lost.`] as const);
  return new ApiError(code, why, { cause: error });
}
