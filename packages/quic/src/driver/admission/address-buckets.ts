import { TokenBucket, type TokenBucketOptions } from '../../token-bucket.js';

const MAX_ADDRESSES = 1_024;

/** A token bucket for each of the addresses that were busy lately; those that have filled up again are forgotten. */
export class AddressBuckets {
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(private readonly options: TokenBucketOptions) {}

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether {@link take} would find a token. Remembers nothing. */
  mayTake(host: string, now: number): boolean {
    const bucket = this.#buckets.get(host);
    return bucket === undefined || bucket.available(now) >= 1;
  }

  take(host: string, now: number): void {
    const known = this.#buckets.get(host);
    const bucket = known ?? new TokenBucket(this.options, now);
    bucket.tryTake(1, now);
    if (known !== undefined) return;
    if (this.#buckets.size >= MAX_ADDRESSES) this.#makeRoom(now);
    this.#buckets.set(host, bucket);
  }

  #makeRoom(now: number): void {
    for (const [host, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(host);
    if (this.#buckets.size < MAX_ADDRESSES) return;
    // All of them busy: the one that came first goes.
    for (const host of this.#buckets.keys()) {
      this.#buckets.delete(host);
      return;
    }
  }
}
