import type { ChunkRef } from '../model/file-entry.js';
import { packChunks, unpackChunks } from '../wire/chunk-list.js';
import { Limits } from '../wire/limits.js';
import { WireError } from '../wire/wire-error.js';

/** Two of the longest lists of one peer, over all folders: 288 MB. */
const MAX_CHUNKS_OF_PEER = 2 * Limits.chunksPerFile;

/** How many chunks of lists whose entry has not come one peer may have us keep. */
export class ChunkPartsBudget {
  private chunks = 0;

  constructor(private readonly maxChunks = MAX_CHUNKS_OF_PEER) {}

  take(count: number): void {
    if (this.chunks + count > this.maxChunks)
      throw new WireError('limit-exceeded', 'too many chunk lists without their entries');
    this.chunks += count;
  }

  give(count: number): void {
    this.chunks -= count;
  }
}

/**
 * A chunk list as its parts come, kept as it travels, 36 bytes a chunk: its entry may never come, and read out it takes
 * several times as much.
 */
export class ChunkParts {
  private readonly parts: Uint8Array[] = [];
  private count = 0;

  constructor(private readonly budget: ChunkPartsBudget) {}

  get length(): number {
    return this.count;
  }

  /** Throws WireError where it is more than one file, or one peer, may have. */
  add(chunks: readonly ChunkRef[]): void {
    if (this.count + chunks.length > Limits.chunksPerFile)
      throw new WireError('limit-exceeded', 'a file has too many chunks');
    this.budget.take(chunks.length);
    this.count += chunks.length;
    this.parts.push(packChunks(chunks));
  }

  /** All of them; the list is empty after it. */
  take(): readonly ChunkRef[] {
    const chunks: ChunkRef[] = [];
    for (const part of this.parts.splice(0))
      for (const chunk of unpackChunks(part, Limits.chunksPerFile)) chunks.push(chunk);
    this.drop();
    return chunks;
  }

  drop(): void {
    this.parts.length = 0;
    this.budget.give(this.count);
    this.count = 0;
  }
}
