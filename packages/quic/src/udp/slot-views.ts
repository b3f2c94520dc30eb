/**
 * Views of the datagrams in a receive slab. Those of a size that was joined by the kernel are kept, because the next batch
 * brings the same ones: making a view costs more than everything else that is done here with a datagram.
 */
export class SlotViews {
  readonly #kept = new Map<number, (Buffer | undefined)[]>();
  #current: (Buffer | undefined)[] = [];
  #segmentBytes = 0;
  #perSlot = 0;

  constructor(
    private readonly slab: Buffer,
    private readonly slotBytes: number,
  ) {}

  /** The datagrams of a slot that follow are of this size, but for a shorter last one. */
  select(segmentBytes: number): void {
    if (segmentBytes === this.#segmentBytes) return;
    const known = this.#kept.get(segmentBytes);
    if (known === undefined && this.#kept.size >= MAX_SIZES) this.#kept.clear();
    this.#current = known ?? [];
    if (known === undefined) this.#kept.set(segmentBytes, this.#current);
    this.#segmentBytes = segmentBytes;
    this.#perSlot = Math.ceil(this.slotBytes / segmentBytes);
  }

  /** The datagram at this place among those of its slot. */
  view(slot: number, place: number, lengthBytes: number): Buffer {
    const start = slot * this.slotBytes + place * this.#segmentBytes;
    if (lengthBytes !== this.#segmentBytes) return this.slab.subarray(start, start + lengthBytes);
    const index = slot * this.#perSlot + place;
    const known = this.#current[index];
    if (known !== undefined) return known;
    const view = this.slab.subarray(start, start + lengthBytes);
    this.#current[index] = view;
    return view;
  }

  /** A datagram that came alone. */
  single(slot: number, lengthBytes: number): Buffer {
    const start = slot * this.slotBytes;
    return this.slab.subarray(start, start + lengthBytes);
  }
}

const MAX_SIZES = 16;
