import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { FolderState, SequencedEntry } from '../core/wire/frames.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { DurableReceipt } from './folder-receipts.js';

/** One folder on one live session: how the folder reaches the peer. */
export interface FolderLink extends ChunkSupplier {
  readonly device: DeviceKey;
  /** The index may have entries that were not sent yet. */
  wakePush(): void;
  /** A receipt may be due. */
  wakeReceipts(): void;
}

/** The same, the other way round: how a session reaches the folder. */
export interface LinkedFolder {
  /** Nothing of it is exchanged for now. */
  readonly isPaused?: boolean;
  /** What we tell this device about the folder; `undefined` while it is not ready to be exchanged. */
  state(device: DeviceKey): FolderState | undefined;
  connect(link: FolderLink, theirs: { readonly indexId: IndexId; readonly afterSequence: number }): void;
  disconnect(link: FolderLink): void;
  receive(device: DeviceKey, indexId: IndexId, entries: readonly SequencedEntry[]): void;
  /** Everything up to here was received. */
  ended(device: DeviceKey, upToSequence: number): void;
  /** Entries received from this device that are not durable here. */
  pending(device: DeviceKey): number;
  durableThere(device: DeviceKey, receipt: DurableReceipt): void;
  takeDueReceipt(device: DeviceKey): DurableReceipt | undefined;
  /** Encoded entries after a sequence, ascending, with the device each came from. */
  entriesToSend(afterSequence: number, limit: number): readonly OutgoingEntry[];
  /** The last sequence number taken. */
  sequence(): number;
}

export interface OutgoingEntry {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly source: DeviceKey | undefined;
}
