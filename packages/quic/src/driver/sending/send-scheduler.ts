import type { TransportProfile } from '../../transport-profile.js';
import { MIN_PACKET_BYTES } from '../quiche-binding.js';
import type { QuicStream } from '../streams/stream.js';

/**
 * How much of quiche's capacity less urgent streams leave free, so that a control frame never waits behind them. It has to
 * stay below 16 KiB: a receiving quiche grants more window only when less than half of its own (32 KiB at first) is left,
 * and a sender that stopped before that would wait for ever.
 */
export const CONTROL_RESERVE_BYTES = 12 * 1024;

/**
 * Cubic and Reno let their window grow only while it is full, which it never is with room left in it: under them control
 * waits for the next acknowledgement.
 */
export function controlReserveFor({ congestionControl }: TransportProfile): number {
  return congestionControl === 'bbr' ? CONTROL_RESERVE_BYTES : 0;
}

/**
 * Decides whose bytes quiche takes next. quiche's own priorities order only what it has accepted already; so the queues
 * are here, and capacity is offered in order of urgency, in turns among equals.
 */
export class SendScheduler {
  readonly #pending: Set<QuicStream>[] = Array.from({ length: 8 }, () => new Set<QuicStream>());
  #count = 0;

  /** `packetBytes`: how large packets are just now. */
  constructor(
    private readonly controlReserveBytes = CONTROL_RESERVE_BYTES,
    private readonly packetBytes = () => MIN_PACKET_BYTES,
  ) {}

  get isIdle(): boolean {
    return this.#count === 0;
  }

  /** Whether something as urgent as control waits. */
  get isUrgentWaiting(): boolean {
    return (this.#pending[0]?.size ?? 0) > 0;
  }

  /** One of those that wait with bulk; undefined when there is none. */
  get someBulk(): QuicStream | undefined {
    for (let urgency = this.#pending.length - 1; urgency > 0; urgency--) {
      for (const stream of this.#pending[urgency] ?? []) return stream;
    }
    return undefined;
  }

  add(stream: QuicStream): void {
    const set = this.#pending[stream.urgency];
    if (set === undefined || set.has(stream)) return;
    this.remove(stream);
    set.add(stream);
    this.#count += 1;
  }

  remove(stream: QuicStream): void {
    for (const set of this.#pending) {
      if (set.delete(stream)) this.#count -= 1;
    }
  }

  clear(): void {
    for (const set of this.#pending) set.clear();
    this.#count = 0;
  }

  /**
   * Offers what waits to quiche until it takes no more. `windowBytes` is the congestion window: the reserve never takes
   * more than a quarter of it, or a small window would carry nothing but control. `limitBytes` bounds what is no control.
   * Returns the bytes taken.
   */
  offer(windowBytes: number, limitBytes = Number.POSITIVE_INFINITY): number {
    const reserve = Math.min(this.controlReserveBytes, windowBytes >> 2);
    let total = 0;
    for (let urgency = 0; urgency < this.#pending.length; urgency++) {
      const set = this.#pending[urgency];
      if (set === undefined || set.size === 0) continue;
      const limit = urgency === 0 ? Number.POSITIVE_INFINITY : limitBytes - total;
      if (limit > 0) total += this.#offerSet(set, reserveFor(urgency, reserve), limit);
    }
    return total;
  }

  /** A whole number of packets, because quiche puts bytes of one stream only into each. */
  #sharedQuantum(): number {
    const payloadBytes = this.packetBytes() - PACKET_OVERHEAD_BYTES;
    return Math.max(1, Math.floor(SHARED_QUANTUM_BYTES / payloadBytes)) * payloadBytes;
  }

  #offerSet(set: Set<QuicStream>, reserveBytes: number, limitBytes: number): number {
    let total = 0;
    let taken: number;
    do {
      taken = 0;
      const quantum = set.size === 1 ? SINGLE_QUANTUM_BYTES : this.#sharedQuantum();
      for (const stream of [...set]) {
        if (total + taken >= limitBytes) break;
        const count = stream.offer(Math.min(quantum, limitBytes - total - taken), reserveBytes);
        if (count > 0) taken += count;
        if (!stream.hasPending) {
          if (set.delete(stream)) this.#count -= 1;
        } else if (count > 0 && set.size > 1) {
          // To the end of the line.
          set.delete(stream);
          set.add(stream);
        }
      }
      total += taken;
    } while (taken > 0 && set.size > 0 && total < limitBytes);
    return total;
  }
}

const SINGLE_QUANTUM_BYTES = 512 * 1024;
const SHARED_QUANTUM_BYTES = 64 * 1024;
/** Header, packet number, frame header and tag at most. */
const PACKET_OVERHEAD_BYTES = 64;

function reserveFor(urgency: number, reserveBytes: number): number {
  if (urgency === 0) return 0;
  return urgency <= 2 ? reserveBytes >> 2 : reserveBytes;
}
