import type { RelativePath } from '../model/relative-path.js';

interface Item {
  readonly path: RelativePath;
  readonly sequence: number;
}

/** Items that stand for nothing any more are swept once there are this many more of them than of others. */
const SWEEP_SLACK = 64;

/**
 * Paths with the oldest sequence that each waits for, and the oldest of all at hand: a binary heap from which what was
 * removed drops out when it comes to the top, or when most of the heap is such.
 */
export class PendingQueue {
  private readonly sequences = new Map<RelativePath, number>();
  private heap: Item[] = [];

  get size(): number {
    return this.sequences.size;
  }

  /** A path that is there already keeps its older sequence. */
  add(path: RelativePath, sequence: number): void {
    const known = this.sequences.get(path);
    if (known !== undefined && known <= sequence) return;
    this.sequences.set(path, sequence);
    this.push({ path, sequence });
  }

  /** False when it was not there. */
  remove(path: RelativePath): boolean {
    if (!this.sequences.delete(path)) return false;
    if (this.heap.length > 2 * this.sequences.size + SWEEP_SLACK) this.sweep();
    return true;
  }

  sequenceOf(path: RelativePath): number | undefined {
    return this.sequences.get(path);
  }

  oldestSequence(): number | undefined {
    for (;;) {
      const [top] = this.heap;
      if (top === undefined) return undefined;
      if (this.sequences.get(top.path) === top.sequence) return top.sequence;
      this.pop();
    }
  }

  private sweep(): void {
    // A sorted array is a heap.
    this.heap = [...this.sequences]
      .map(([path, sequence]) => ({ path, sequence }))
      .sort((a, b) => a.sequence - b.sequence);
  }

  private push(item: Item): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.sequence <= item.sequence) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = item;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let childAt = left;
      let child = heap[left];
      const other = heap[right];
      if (child !== undefined && other !== undefined && other.sequence < child.sequence) {
        child = other;
        childAt = right;
      }
      if (child === undefined || child.sequence >= last.sequence) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
  }
}
