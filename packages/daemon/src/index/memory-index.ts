import { isLive } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import { type DirectoryPath, isBelow, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { RandomBytes } from '../core/ports/clock.js';
import type {
  ChunkLocation,
  ContentIndex,
  HistoryItem,
  IndexCounts,
  IndexIdentity,
  IndexRow,
  IndexTransaction,
  Intent,
  PeerWatermarks,
} from '../core/ports/content-index.js';
import { encodeEntry } from '../core/wire/entry-codec.js';
import type { EncodedEntry } from './entry-rows.js';
import { addCounts, countsOfFacts, NO_COUNTS } from './index-counts.js';
import { IndexError } from './index-error.js';
import { newIdentityTexts } from './index-state.js';
import { MAX_UNPLACEABLE_THERE } from './peer-rows.js';
import { factsOfRow, Stands } from './row-facts.js';

interface Stored {
  identity: IndexIdentity;
  readonly rows: Map<RelativePath, IndexRow>;
  readonly peers: Map<DeviceKey, PeerWatermarks>;
  readonly intents: Map<string, Intent>;
  readonly problems: Map<string, Problem>;
  history: HistoryItem[];
}

/**
 * The index as plainly as it can be said: every query looks at every row. The model that the real one is tested
 * against, and the index of simulated devices. What was committed outlives {@link close}; use it again to "open" it.
 */
export class MemoryIndex implements ContentIndex {
  readonly folder: FolderId;
  readonly #randomBytes: RandomBytes;
  #stored: Stored;
  #busy = false;

  constructor(folder: FolderId, randomBytes: RandomBytes) {
    this.folder = folder;
    this.#randomBytes = randomBytes;
    const [indexId, incarnation, commitTag] = newIdentityTexts(randomBytes);
    this.#stored = {
      identity: { indexId, incarnation, sequence: 0, commitTag, firstScanDone: false },
      rows: new Map(),
      peers: new Map(),
      intents: new Map(),
      problems: new Map(),
      history: [],
    };
  }

  identity(): IndexIdentity {
    return this.#stored.identity;
  }

  get(path: RelativePath): IndexRow | undefined {
    return this.#stored.rows.get(path);
  }

  heldChildren(directory: DirectoryPath): readonly IndexRow[] {
    return this.#rows((row) => parentOf(row.path) === directory && stands(row));
  }

  *rowsBelow(directory: DirectoryPath): IterableIterator<IndexRow> {
    yield* this.#rows((row) => isBelow(row.path, directory));
  }

  hasLiveBelow(path: RelativePath): boolean {
    return this.#rows((row) => isBelow(row.path, path) && live(row)).length > 0;
  }

  entriesAfter(sequence: number, limit: number): readonly IndexRow[] {
    return this.#rows((row) => row.known !== undefined && row.sequence > sequence)
      .sort((a, b) => a.sequence - b.sequence)
      .slice(0, limit);
  }

  encodedEntriesAfter(sequence: number, limit: number): readonly EncodedEntry[] {
    return this.entriesAfter(sequence, limit).flatMap(({ path, known, source, ...row }) =>
      known === undefined ? [] : [{ sequence: row.sequence, path, bytes: encodeEntry(known), source }],
    );
  }

  needed(limit: number, afterPath?: RelativePath): readonly IndexRow[] {
    return this.#rows(
      (row) => factsOfRow(row).needed && (afterPath === undefined || comparePaths(row.path, afterPath) > 0),
    ).slice(0, limit);
  }

  heldWithContent(hash: ContentHash, limit: number): readonly RelativePath[] {
    return this.#rows((row) => heldFile(row)?.hash === hash)
      .slice(0, limit)
      .map((row) => row.path);
  }

  heldChunk(hash: ContentHash, limit: number): readonly ChunkLocation[] {
    const locations: ChunkLocation[] = [];
    for (const row of this.#rows(() => true)) {
      const file = heldFile(row);
      if (file === undefined) continue;
      if (file.hash === hash) locations.push({ path: row.path, offsetBytes: 0, lengthBytes: file.sizeBytes });
      if (file.chunks.length < 2) continue;
      let offsetBytes = 0;
      for (const chunk of file.chunks) {
        if (chunk.hash === hash)
          locations.push({ path: row.path, offsetBytes, lengthBytes: chunk.lengthBytes });
        offsetBytes += chunk.lengthBytes;
      }
    }
    return locations.slice(0, limit);
  }

  racy(limit: number): readonly IndexRow[] {
    return this.#rows((row) => row.held?.racy === true).slice(0, limit);
  }

  counts(): IndexCounts {
    let counts = NO_COUNTS;
    for (const row of this.#stored.rows.values()) counts = addCounts(counts, countsOfFacts(factsOfRow(row)));
    return counts;
  }

  conflicts(limit: number): readonly IndexRow[] {
    return this.#rows((row) => factsOfRow(row).conflict)
      .sort((a, b) => comparePaths(a.conflictOf ?? '', b.conflictOf ?? ''))
      .slice(0, limit);
  }

  copiesOf(path: RelativePath): readonly IndexRow[] {
    return this.#rows((row) => row.conflictOf === path && live(row));
  }

  peer(device: DeviceKey): PeerWatermarks | undefined {
    return this.#stored.peers.get(device);
  }

  intents(): readonly Intent[] {
    return [...this.#stored.intents.values()].sort((a, b) => comparePaths(a.id, b.id));
  }

  problems(limit: number): readonly Problem[] {
    return [...this.#stored.problems.values()].sort((a, b) => comparePaths(a.path, b.path)).slice(0, limit);
  }

  /** What was replaced or deleted at this path, newest first. */
  historyOf(path: RelativePath, limit: number): readonly HistoryItem[] {
    return this.#stored.history
      .filter((item) => item.path === path)
      .reverse()
      .sort((a, b) => b.displacedAtMs - a.displacedAtMs)
      .slice(0, limit);
  }

  historyBelow(directory: DirectoryPath, limit: number): readonly HistoryItem[] {
    return this.#stored.history
      .filter(({ path }) => path === directory || isBelow(path, directory))
      .reverse()
      .sort((a, b) => b.displacedAtMs - a.displacedAtMs)
      .slice(0, limit);
  }

  oldestHistory(limit: number): readonly HistoryItem[] {
    return [...this.#stored.history].sort((a, b) => a.displacedAtMs - b.displacedAtMs).slice(0, limit);
  }

  historyPaths(limit: number, afterPath?: RelativePath): readonly RelativePath[] {
    return [...new Set(this.#stored.history.map(({ path }) => path))]
      .filter((path) => afterPath === undefined || comparePaths(path, afterPath) > 0)
      .sort(comparePaths)
      .slice(0, limit);
  }

  /** What was committed, as an index of its own: what a process finds that comes after a killed one, or an old copy. */
  clone(): MemoryIndex {
    const copy = new MemoryIndex(this.folder, this.#randomBytes);
    copy.#stored = copyOf(this.#stored);
    return copy;
  }

  transact<T>(work: (tx: IndexTransaction) => T): T {
    if (this.#busy) throw new IndexError('misuse', 'a transaction of this index is running already');
    const before = this.#stored;
    this.#busy = true;
    this.#stored = copyOf(before);
    try {
      const result = work(this.#makeTransaction());
      if (result instanceof Promise) {
        throw new IndexError('misuse', 'a transaction has to be over when its function returns');
      }
      if (this.#stored.identity.sequence !== before.identity.sequence) {
        const commitTag = Buffer.from(this.#randomBytes(8)).toString('hex');
        this.#stored.identity = { ...this.#stored.identity, commitTag };
      }
      return result;
    } catch (error) {
      this.#stored = before;
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  close(): void {
    // What was committed stays, as on a disk.
  }

  #rows(wanted: (row: IndexRow) => boolean): IndexRow[] {
    return [...this.#stored.rows.values()].filter(wanted).sort((a, b) => comparePaths(a.path, b.path));
  }

  #makeTransaction(): IndexTransaction {
    const stored = this.#stored;
    const inside = <A extends unknown[], R>(write: (...values: A) => R) => {
      return (...values: A): R => {
        if (!this.#busy || this.#stored !== stored) {
          throw new IndexError('misuse', 'this transaction is over');
        }
        return write(...values);
      };
    };
    return {
      get: inside((path) => this.get(path)),
      hasLiveBelow: inside((path) => this.hasLiveBelow(path)),
      copiesOf: inside((path) => this.copiesOf(path)),
      finishFirstScan: inside(() => {
        stored.identity = { ...stored.identity, firstScanDone: true };
      }),
      nextSequence: inside(() => {
        stored.identity = { ...stored.identity, sequence: stored.identity.sequence + 1 };
        return stored.identity.sequence;
      }),
      put: inside((row) => putRow(stored.rows, row)),
      remove: inside((path) => void stored.rows.delete(path)),
      addIntent: inside((intent) => void stored.intents.set(intent.id, intent)),
      removeIntent: inside((id) => void stored.intents.delete(id)),
      setPeer: inside((device, watermarks) => {
        const unplaceableThere = watermarks.unplaceableThere.slice(0, MAX_UNPLACEABLE_THERE);
        stored.peers.set(device, { ...watermarks, unplaceableThere });
      }),
      removePeer: inside((device) => void stored.peers.delete(device)),
      setProblem: inside((problem) => void stored.problems.set(problem.path, problem)),
      clearProblem: inside((path) => void stored.problems.delete(path)),
      addHistory: inside((item) => void stored.history.push(item)),
      removeHistory: inside(({ path, area }) => {
        stored.history = stored.history.filter((item) => item.path !== path || item.area !== area);
      }),
    };
  }
}

function putRow(rows: Map<RelativePath, IndexRow>, row: IndexRow): void {
  if (row.known !== undefined) {
    for (const other of rows.values()) {
      if (other.sequence === row.sequence && other.path !== row.path && other.known !== undefined) {
        throw new IndexError('misuse', `sequence ${row.sequence} belongs to another row already`);
      }
    }
  }
  rows.set(row.path, row);
}

function copyOf(stored: Stored): Stored {
  return {
    identity: stored.identity,
    rows: new Map(stored.rows),
    peers: new Map(stored.peers),
    intents: new Map(stored.intents),
    problems: new Map(stored.problems),
    history: [...stored.history],
  };
}

/** The order of UTF-8 bytes, as SQLite has it; JavaScript's own differs beyond U+FFFF. */
function comparePaths(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function live(row: IndexRow): boolean {
  return row.known !== undefined && isLive(row.known);
}

function stands(row: IndexRow): boolean {
  return factsOfRow(row).stands !== Stands.nothing;
}

function heldFile(row: IndexRow) {
  return factsOfRow(row).heldFile;
}
