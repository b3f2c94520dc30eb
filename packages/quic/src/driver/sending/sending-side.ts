import type { TransportProfile } from '../../transport-profile.js';
import type { DatagramIo } from '../../udp/datagram-io.js';
import { isLoopback } from '../path/address.js';
import type { PacketSize } from '../path/packet-size.js';
import type { PeerPath } from '../path/peer-path.js';
import type { QuicheConnection } from '../quiche-binding.js';
import type { QuicStream } from '../streams/stream.js';
import { CongestionWindow } from './congestion-window.js';
import { ConnectionPace } from './connection-pace.js';
import { type ClosingDatagram, PacketSender } from './packet-sender.js';
import { SendProgress } from './send-progress.js';
import { controlReserveFor, SendScheduler } from './send-scheduler.js';

/** Packets sent in one go before other connections and arriving packets get their turn. */
const PACKETS_PER_TURN = 512;

export interface SendingSideDependencies {
  readonly quiche: QuicheConnection;
  readonly io: DatagramIo;
  readonly path: PeerPath;
  readonly profile: TransportProfile;
  readonly packetSize: PacketSize;
  readonly countSent: (packets: number, bytes: number) => void;
  /** Lets the connection work again at the end of this turn of the event loop. */
  readonly resume: () => void;
  /** The same in about a millisecond. */
  readonly resumeLater: () => void;
}

/** The way out of one connection: from the streams' queues by urgency and pace into quiche, and from there to the network. */
export class SendingSide {
  readonly #scheduler: SendScheduler;
  readonly #window: CongestionWindow;
  readonly #pace: ConnectionPace | undefined;
  readonly #sender: PacketSender;
  readonly #progress = new SendProgress();

  constructor(private readonly dependencies: SendingSideDependencies) {
    const { quiche, io, path, profile, packetSize, countSent, resumeLater } = dependencies;
    const scheduler = new SendScheduler(controlReserveFor(profile), () => packetSize.currentBytes);
    const window = new CongestionWindow(quiche);
    // A loopback has no queue that could overflow.
    const pace = isLoopback(path.address.host)
      ? undefined
      : new ConnectionPace({ quiche, window, scheduler, resumeLater });
    this.#scheduler = scheduler;
    this.#window = window;
    this.#pace = pace;
    this.#sender = new PacketSender({
      quiche,
      io,
      path,
      packetSize,
      countSent: (packets, bytes) => {
        countSent(packets, bytes);
        pace?.noteSent(bytes);
      },
    });
  }

  get isIdle(): boolean {
    return this.#scheduler.isIdle;
  }

  markPending(stream: QuicStream): void {
    this.#scheduler.add(stream);
  }

  forget(stream: QuicStream): void {
    this.#scheduler.remove(stream);
  }

  clear(): void {
    this.#scheduler.clear();
  }

  noteReceived(now: number): void {
    this.#progress.noteReceived(now);
  }

  /** Offers what is queued to quiche and sends what it makes of it, until neither goes on. Returns the packets sent. */
  flush(mayOffer: boolean): number {
    const { resume, resumeLater } = this.dependencies;
    let total = 0;
    for (;;) {
      const taken = mayOffer && !this.#scheduler.isIdle ? this.#offer(performance.now()) : 0;
      const sent = this.#sender.send(PACKETS_PER_TURN - total);
      if (sent < 0) {
        resumeLater();
        break;
      }
      total += sent;
      if (total >= PACKETS_PER_TURN) {
        resume();
        break;
      }
      if (taken === 0) break;
    }
    this.#pace?.handleTurn();
    return total;
  }

  /** Sends what quiche has, and offers nothing. */
  sendMade(limit = PACKETS_PER_TURN): void {
    this.#sender.send(limit);
  }

  takeClosing(): ClosingDatagram | undefined {
    return this.#sender.takeClosing();
  }

  /** While bytes wait: whether some moved since the last check that was due; undefined when none is due or nothing waits. */
  checkProgress(now: number): boolean | undefined {
    return this.#scheduler.isIdle ? undefined : this.#progress.check(now);
  }

  /** Whether something urgent has waited for too long. */
  isStalled(now: number): boolean {
    return this.#progress.isStalled(this.#scheduler.isUrgentWaiting, now);
  }

  #offer(now: number): number {
    const allowance = this.#pace?.allowance(now) ?? Number.POSITIVE_INFINITY;
    const taken = this.#scheduler.offer(this.#window.read(now), allowance);
    if (taken > 0) this.#progress.noteTaken(now);
    return taken;
  }
}
