import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import { entryOf, file } from '../core/testing/entries.js';
import { encodeEntry } from '../core/wire/entry-codec.js';
import type { FolderState, SequencedEntry } from '../core/wire/frames.js';
import type { FolderLink, LinkedFolder, OutgoingEntry } from './folder-link.js';
import type { DurableReceipt } from './folder-receipts.js';

/** A shared folder as sessions see it, without an index and a disk: what it has, and what came. */
export class FakeFolder implements LinkedFolder {
  isReady = true;
  isPaused = false;
  readonly links = new Map<DeviceKey, FolderLink>();
  readonly received: { readonly device: DeviceKey; readonly path: RelativePath }[] = [];
  /** What the peer says it holds. */
  readonly toldDurable: DurableReceipt[] = [];
  readonly forgotten: DeviceKey[] = [];
  /** What the disk is behind. */
  pendingEntries = 0;
  readonly receipts = { forget: (device: DeviceKey) => this.forgotten.push(device) };
  private readonly entries: OutgoingEntry[] = [];
  private endedAt = 0;
  private told = -1;
  private theirIndex: IndexId | undefined;

  constructor(
    readonly id: FolderId,
    readonly indexId: IndexId,
  ) {}

  get paths(): readonly RelativePath[] {
    return this.received.map(({ path }) => path);
  }

  /** A file appears in this folder. */
  write(path: string, source?: DeviceKey): void {
    const sequence = this.entries.length + 1;
    this.entries.push({ sequence, bytes: encodeEntry(entryFor(path, sequence)), source });
    for (const link of this.links.values()) link.wakePush();
  }

  // ---- LinkedFolder

  state(): FolderState | undefined {
    if (!this.isReady) return undefined;
    const { id: folder, indexId } = this;
    const holding = this.theirIndex && { indexId: this.theirIndex, sequence: this.endedAt };
    const sequence = this.sequence();
    return { folder, label: folder, indexId, sequence, commitTag: '00'.repeat(8), holding };
  }

  connect(link: FolderLink, theirs: { readonly indexId: IndexId; readonly afterSequence: number }): void {
    this.links.set(link.device, link);
    this.theirIndex = theirs.indexId;
    this.endedAt = theirs.afterSequence;
    this.told = -1;
  }

  disconnect(link: FolderLink): void {
    if (this.links.get(link.device) === link) this.links.delete(link.device);
  }

  receive(device: DeviceKey, _indexId: IndexId, entries: readonly SequencedEntry[]): void {
    for (const { entry } of entries) this.received.push({ device, path: entry.path });
    this.links.get(device)?.wakeReceipts();
  }

  ended(device: DeviceKey, upToSequence: number): void {
    this.endedAt = upToSequence;
    this.links.get(device)?.wakeReceipts();
  }

  pending(): number {
    return this.pendingEntries;
  }

  durableThere(_device: DeviceKey, receipt: DurableReceipt): void {
    this.toldDurable.push(receipt);
  }

  takeDueReceipt(): DurableReceipt | undefined {
    if (this.theirIndex === undefined || this.endedAt <= this.told) return undefined;
    this.told = this.endedAt;
    return { indexId: this.theirIndex, sequence: this.endedAt, unplaceable: [] };
  }

  entriesToSend(afterSequence: number, limit: number): readonly OutgoingEntry[] {
    return this.entries.filter(({ sequence }) => sequence > afterSequence).slice(0, limit);
  }

  sequence(): number {
    return this.entries.length;
  }
}

export function entryFor(path: string, sequence: number) {
  return entryOf(path, { content: file(path), vector: { a: sequence }, at: sequence });
}
