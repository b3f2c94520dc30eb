import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';

/** A chunk that is wanted, from the first `want` until it is there, cancelled, or given up. */
export interface WantedChunk extends ChunkRef {
  readonly hash: ContentHash;
  /** `gone`: received, cancelled, or given up; it may still stand in a queue, and is passed over there. */
  state: 'queued' | 'in-flight' | 'gone';
  /** Nobody wants it any more, but it is in flight. */
  cancelled: boolean;
  /** Peers that did not have it, or gave wrong bytes, since it was wanted or since they came up. */
  refusedBy: Set<string> | undefined;
}

interface Group {
  readonly chunks: readonly WantedChunk[];
  next: number;
}

/** What one group gives before it is the turn of the next. */
const TURN_BYTES = 256 * 1024;
/** Stands where a group was, so that its chunks are not kept. */
const EMPTY_GROUP: Group = { chunks: [], next: 0 };

export function isQueued(chunk: WantedChunk): boolean {
  return chunk.state === 'queued';
}

/**
 * Chunks in the order in which they are to be asked for: those given back first, then the groups in turn, a quarter of a
 * MiB from each, so that no small file waits for the end of a huge one. What stopped being queued in the meantime is
 * passed over when its turn comes.
 */
export class ChunkQueue {
  private returned: Group = { chunks: [], next: 0 };
  private groups: Group[] = [];
  private first = 0;
  private turnBytes = 0;

  private remaining = 0;

  /** Chunks not yet passed, whether they still count or not. */
  get lengthAtMost(): number {
    return this.remaining;
  }

  add(chunks: readonly WantedChunk[]): void {
    if (chunks.length === 0) return;
    this.groups.push({ chunks, next: 0 });
    this.remaining += chunks.length;
  }

  /** Puts chunks before all others. */
  giveBack(chunks: readonly WantedChunk[]): void {
    const rest = this.returned.chunks.slice(this.returned.next);
    this.returned = { chunks: [...rest, ...chunks], next: 0 };
    this.remaining += chunks.length;
  }

  peek(): WantedChunk | undefined {
    const returned = this.headOf(this.returned);
    if (returned !== undefined) return returned;
    for (;;) {
      const group = this.groups[this.first];
      if (group === undefined) return undefined;
      const head = this.headOf(group);
      if (head === undefined) this.pass(undefined);
      else if (this.turnBytes >= TURN_BYTES) this.pass(group);
      else return head;
    }
  }

  /** Takes what `peek` showed. */
  take(): void {
    this.remaining--;
    if (this.returned.next < this.returned.chunks.length) {
      this.returned.next++;
      return;
    }
    const group = this.groups[this.first];
    if (group === undefined) return;
    this.turnBytes += group.chunks[group.next]?.lengthBytes ?? 0;
    group.next++;
  }

  /** Drops what is not queued any more. */
  sweep(): void {
    const keep = ({ chunks, next }: Group): Group => ({
      chunks: chunks.slice(next).filter(isQueued),
      next: 0,
    });
    this.returned = keep(this.returned);
    this.groups = this.groups.slice(this.first).map(keep);
    this.first = 0;
    this.turnBytes = 0;
    this.remaining = this.returned.chunks.length;
    for (const group of this.groups) this.remaining += group.chunks.length;
  }

  clear(): void {
    this.returned = { chunks: [], next: 0 };
    this.groups = [];
    this.first = 0;
    this.turnBytes = 0;
    this.remaining = 0;
  }

  private headOf(group: Group): WantedChunk | undefined {
    for (; group.next < group.chunks.length; group.next++) {
      const chunk = group.chunks[group.next];
      if (chunk !== undefined && isQueued(chunk)) return chunk;
      this.remaining--;
    }
    return undefined;
  }

  /** The turn goes to the next group; this one, unless it is empty, has its next turn after all others. */
  private pass(group: Group | undefined): void {
    this.turnBytes = 0;
    this.groups[this.first] = EMPTY_GROUP;
    this.first++;
    if (group !== undefined) this.groups.push(group);
    if (this.first > 1_024 && this.first * 2 > this.groups.length) {
      this.groups.splice(0, this.first);
      this.first = 0;
    }
  }
}
