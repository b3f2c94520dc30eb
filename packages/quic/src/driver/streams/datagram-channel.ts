import type { DatagramStats, Datagrams } from '../../transport.js';
import type { PacketSize } from '../path/packet-size.js';
import type { PathFollower } from '../path/path-follower.js';
import { handleTransportDatagram, isTransportDatagram } from '../path/size-probing.js';
import type { QuicheConnection } from '../quiche-binding.js';

export interface DatagramChannelDependencies {
  readonly quiche: QuicheConnection;
  readonly packetSize: PacketSize;
  readonly follower: PathFollower;
  readonly isOpen: () => boolean;
  readonly requestFlush: () => void;
}

/** A little less than what a packet of the present size leaves: one that never fits would block the queue. */
const PACKET_OVERHEAD_BYTES = 64;

/**
 * QUIC datagrams: those of the transport itself, and those of the application. The queues are quiche's, of a fixed length
 * each way (`DATAGRAM_QUEUE_LENGTH`), and hold at most that many packets' worth.
 */
export class DatagramChannel implements Datagrams {
  #handler: ((bytes: Uint8Array) => void) | undefined;
  /** The largest that was queued since the queue was last seen empty. */
  #largestQueuedBytes = 0;
  #sent = 0;
  #received = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  #droppedTooLarge = 0;
  #droppedQueueFull = 0;
  #droppedNoHandler = 0;
  #droppedReceiveQueueFull = 0;

  constructor(private readonly dependencies: DatagramChannelDependencies) {}

  get maxBytes(): number {
    const { quiche, isOpen } = this.dependencies;
    if (!isOpen()) return 0;
    return Math.max(0, Math.min(quiche.dgramMaxWritableLen() ?? 0, this.#packetRoom()));
  }

  send(bytes: Uint8Array): boolean {
    const { quiche, requestFlush } = this.dependencies;
    if (isTransportDatagram(bytes)) throw new RangeError('the first byte of a datagram is 0x80 or above');
    if (bytes.length > this.maxBytes) {
      this.#droppedTooLarge += 1;
      return false;
    }
    if (quiche.isDgramSendQueueFull() || !this.#queue(bytes)) {
      this.#droppedQueueFull += 1;
      return false;
    }
    this.#sent += 1;
    this.#bytesSent += bytes.length;
    requestFlush();
    return true;
  }

  onDatagram(handler: (bytes: Uint8Array) => void): void {
    this.#handler = handler;
  }

  /** Takes everything that quiche received. Returns how many bytes. */
  receive(): number {
    this.#dropOversized();
    const { quiche, packetSize, follower } = this.dependencies;
    if (quiche.isDgramRecvQueueFull()) this.#droppedReceiveQueueFull += 1;
    let total = 0;
    for (;;) {
      const datagram = takeDatagram(quiche);
      if (datagram === undefined) return total;
      total += datagram.length;
      if (!isTransportDatagram(datagram)) this.#handUp(datagram);
      else if (!follower.handleDatagram(datagram)) handleTransportDatagram(quiche, packetSize, datagram);
    }
  }

  stats(): DatagramStats {
    return {
      sent: this.#sent,
      received: this.#received,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      queued: this.dependencies.isOpen() ? this.dependencies.quiche.dgramSendQueueLen() : 0,
      droppedTooLarge: this.#droppedTooLarge,
      droppedQueueFull: this.#droppedQueueFull,
      droppedNoHandler: this.#droppedNoHandler,
      droppedReceiveQueueFull: this.#droppedReceiveQueueFull,
    };
  }

  #packetRoom(): number {
    return this.dependencies.packetSize.currentBytes - PACKET_OVERHEAD_BYTES;
  }

  #queue(bytes: Uint8Array): boolean {
    try {
      this.dependencies.quiche.dgramSend(bytes);
    } catch {
      return false;
    }
    this.#largestQueuedBytes = Math.max(this.#largestQueuedBytes, bytes.length);
    return true;
  }

  #handUp(datagram: Uint8Array): void {
    this.#received += 1;
    this.#bytesReceived += datagram.length;
    if (this.#handler === undefined) this.#droppedNoHandler += 1;
    else this.#handler(datagram);
  }

  /** Packets have become smaller: a message that fits none any more would block all those behind it for good. */
  #dropOversized(): void {
    const room = this.#packetRoom();
    if (this.#largestQueuedBytes <= room) return;
    const { quiche } = this.dependencies;
    this.#largestQueuedBytes = 0;
    if (quiche.dgramSendQueueLen() === 0) return;
    quiche.dgramPurgeOutgoing((datagram) => {
      const isDropped = datagram.length > room && !isTransportDatagram(datagram);
      if (isDropped) this.#droppedTooLarge += 1;
      return isDropped;
    });
  }
}

function takeDatagram(quiche: QuicheConnection): Uint8Array | undefined {
  try {
    return quiche.dgramRecvVec() ?? undefined;
  } catch {
    return undefined;
  }
}
