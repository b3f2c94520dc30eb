import type { PeerPath } from '../path/peer-path.js';
import type { QuicheConnection } from '../quiche-binding.js';
import type { ClosingDatagram } from '../sending/packet-sender.js';

/** How often to try without a word from the peer, and for how long in all, in ms. */
export const UNSENT_CLOSE_TRIES = { intervalMs: 25, untilMs: 1_000 } as const;

/**
 * The close of a connection whose congestion window was full: quiche makes the packet only once there is room for it, which
 * an acknowledgement brings, or a timeout. Nobody else may call quiche any more.
 */
export class UnsentClose {
  constructor(
    private readonly quiche: QuicheConnection,
    private readonly path: PeerPath,
    private readonly take: () => ClosingDatagram | undefined,
  ) {}

  /** A packet of the connection came. Returns the close once it can be sent. */
  receive(datagram: Uint8Array, host: string, port: number): ClosingDatagram | undefined {
    try {
      this.quiche.recv(datagram, this.path.receivedFrom(host, port));
    } catch {
      // Damaged, or of somebody else; the next one may bring the room.
    }
    return this.take();
  }

  handleTime(): ClosingDatagram | undefined {
    const timeoutMs = this.quiche.timeout();
    if (timeoutMs !== null && timeoutMs <= 0) this.quiche.onTimeout();
    return this.take();
  }
}
