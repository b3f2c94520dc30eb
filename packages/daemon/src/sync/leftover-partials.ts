import type { ContentHash } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ContentIndex } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { ContentFetch } from './content-fetch.js';

const PAGE_ROWS = 500;

/** Partials of contents that nothing wants any more only take up room. */
export async function discardUnwantedPartials(deps: {
  readonly disk: Pick<FolderDisk, 'listPartials' | 'discardPartial'>;
  readonly index: Pick<ContentIndex, 'needed'>;
  readonly fetch: Pick<ContentFetch, 'isFetching'>;
}): Promise<void> {
  const partials = await deps.disk.listPartials();
  if (partials.length === 0) return;
  const wanted = wantedContents(deps.index);
  for (const hash of partials) {
    if (!wanted.has(hash) && !deps.fetch.isFetching(hash)) await deps.disk.discardPartial(hash);
  }
}

function wantedContents(index: Pick<ContentIndex, 'needed'>): ReadonlySet<ContentHash> {
  const wanted = new Set<ContentHash>();
  let after: RelativePath | undefined;
  for (;;) {
    const rows = index.needed(PAGE_ROWS, after);
    for (const { known } of rows) {
      if (known?.version.content.type === 'file') wanted.add(known.version.content.hash);
    }
    after = rows.at(-1)?.path;
    if (rows.length < PAGE_ROWS) return wanted;
  }
}
