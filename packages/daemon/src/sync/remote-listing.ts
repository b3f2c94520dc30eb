import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import { type ContentThere, contentThere } from '../core/preview/first-merge.js';
import type { FolderState, SequencedEntry } from '../core/wire/frames.js';
import type { LinkedFolder, OutgoingEntry } from './folder-link.js';
import type { DurableReceipt } from './folder-receipts.js';

export interface RemoteListingOptions {
  /** What we tell of ourselves: an index that nothing is in. */
  readonly state: FolderState;
  /** Where their index stood when they offered the folder. */
  readonly theirSequence: number;
  readonly timeoutMs: number;
}

/** Why there is no listing. */
export class ListingError extends Error {
  override readonly name = 'ListingError';
  constructor(readonly code: 'timeout' | 'disconnected' | 'too-large') {
    super(code);
  }
}

/** After all that was announced has come, this much quiet says that nothing came on top of it. */
const QUIET_MS = 300;
const MAX_PATHS = 1_000_000;

/** A folder to the session, and nothing but what the peer says it has: nothing is sent, kept or asked for. */
export class RemoteListing implements LinkedFolder {
  readonly isPaused = false;
  readonly #there = new Map<RelativePath, ContentThere>();
  readonly #options: RemoteListingOptions;
  readonly #clock: Clock;
  readonly #done: Promise<ReadonlyMap<RelativePath, ContentThere>>;
  #resolve: (there: ReadonlyMap<RelativePath, ContentThere>) => void = () => {};
  #reject: (error: ListingError) => void = () => {};
  #cancelQuiet: (() => void) | undefined;
  readonly #cancelTimeout: () => void;
  #endedAt = 0;

  constructor(clock: Clock, options: RemoteListingOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#done.catch(() => {});
    this.#cancelTimeout = clock.after(options.timeoutMs, () => this.#fail('timeout'));
  }

  /** All files and symlinks of the peer. Rejects with {@link ListingError}. */
  whole(): Promise<ReadonlyMap<RelativePath, ContentThere>> {
    return this.#done;
  }

  stop(): void {
    this.#fail('disconnected');
  }

  state(): FolderState {
    return this.#options.state;
  }

  connect(): void {
    this.#look();
  }

  disconnect(): void {
    this.#fail('disconnected');
  }

  receive(_device: DeviceKey, _indexId: IndexId, entries: readonly SequencedEntry[]): void {
    for (const { entry } of entries) {
      const content = contentThere(entry.version.content);
      if (content === undefined) this.#there.delete(entry.path);
      else this.#there.set(entry.path, content);
    }
    if (this.#there.size > MAX_PATHS) this.#fail('too-large');
    this.#cancelQuiet?.();
  }

  ended(_device: DeviceKey, upToSequence: number): void {
    this.#endedAt = upToSequence;
    this.#look();
  }

  pending(): number {
    return 0;
  }

  durableThere(_device: DeviceKey, _receipt: DurableReceipt): void {}

  takeDueReceipt(): undefined {
    return undefined;
  }

  entriesToSend(): readonly OutgoingEntry[] {
    return [];
  }

  sequence(): number {
    return 0;
  }

  #look(): void {
    this.#cancelQuiet?.();
    if (this.#endedAt < this.#options.theirSequence) return;
    this.#cancelQuiet = this.#clock.after(QUIET_MS, () => {
      this.#cancelTimeout();
      this.#resolve(this.#there);
    });
  }

  #fail(code: ListingError['code']): void {
    this.#cancelQuiet?.();
    this.#cancelTimeout();
    this.#reject(new ListingError(code));
  }
}
