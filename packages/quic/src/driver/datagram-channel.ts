import type { Datagrams } from '../transport.js';
import type { PacketSize } from './packet-size.js';
import type { QuicheConnection } from './quiche-binding.js';
import { handleTransportDatagram, isTransportDatagram } from './size-probing.js';

export interface DatagramChannelDependencies {
  readonly quiche: QuicheConnection;
  readonly packetSize: PacketSize;
  readonly isOpen: () => boolean;
  readonly requestFlush: () => void;
}

/** A little less than what a packet of the present size leaves: one that never fits would block the queue. */
const PACKET_OVERHEAD_BYTES = 64;

/** QUIC datagrams: those of the transport itself, and those of the application. */
export class DatagramChannel implements Datagrams {
  #handler: ((bytes: Uint8Array) => void) | undefined;

  constructor(private readonly dependencies: DatagramChannelDependencies) {}

  get maxBytes(): number {
    const { quiche, packetSize, isOpen } = this.dependencies;
    if (!isOpen()) return 0;
    const writable = quiche.dgramMaxWritableLen() ?? 0;
    return Math.max(0, Math.min(writable, packetSize.currentBytes - PACKET_OVERHEAD_BYTES));
  }

  send(bytes: Uint8Array): boolean {
    const { quiche, requestFlush } = this.dependencies;
    if (isTransportDatagram(bytes)) throw new RangeError('the first byte of a datagram is 0x80 or above');
    if (bytes.length > this.maxBytes || quiche.isDgramSendQueueFull()) return false;
    try {
      quiche.dgramSend(bytes);
    } catch {
      return false;
    }
    requestFlush();
    return true;
  }

  onDatagram(handler: (bytes: Uint8Array) => void): void {
    this.#handler = handler;
  }

  /** Takes everything that quiche received. Returns how many bytes. */
  receive(): number {
    const { quiche, packetSize } = this.dependencies;
    let total = 0;
    for (;;) {
      const datagram = takeDatagram(quiche);
      if (datagram === undefined) return total;
      total += datagram.length;
      if (isTransportDatagram(datagram)) handleTransportDatagram(quiche, packetSize, datagram);
      else this.#handler?.(datagram);
    }
  }
}

function takeDatagram(quiche: QuicheConnection): Uint8Array | undefined {
  try {
    return quiche.dgramRecvVec() ?? undefined;
  } catch {
    return undefined;
  }
}
