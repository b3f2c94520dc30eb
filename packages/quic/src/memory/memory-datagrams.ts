import type { DatagramStats, Datagrams } from '../transport.js';

export interface MemoryDatagramsDependencies {
  readonly isOpen: () => boolean;
  /** How long the way out is busy already, ms. */
  readonly backlogMs: () => number;
  /** Puts one message on the way, where it may be lost. */
  readonly transmit: (bytes: Uint8Array) => void;
}

/** As large as the driver's on a path of 1,350 bytes. */
const MAX_DATAGRAM_BYTES = 1_200;
/** A link that is this far behind drops what is not repeated. */
const MAX_BACKLOG_MS = 10;

/** Messages that may be lost, in memory. Same rules as the driver's; see the ports. */
export class MemoryDatagrams implements Datagrams {
  #handler: ((bytes: Uint8Array) => void) | undefined;
  #sent = 0;
  #received = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  #droppedTooLarge = 0;
  #droppedQueueFull = 0;
  #droppedNoHandler = 0;

  constructor(private readonly dependencies: MemoryDatagramsDependencies) {}

  get maxBytes(): number {
    return this.dependencies.isOpen() ? MAX_DATAGRAM_BYTES : 0;
  }

  send(bytes: Uint8Array): boolean {
    if ((bytes[0] ?? 0) < 0x80) throw new RangeError('the first byte of a datagram is 0x80 or above');
    if (bytes.length > this.maxBytes) {
      this.#droppedTooLarge += 1;
      return false;
    }
    if (this.dependencies.backlogMs() > MAX_BACKLOG_MS) {
      this.#droppedQueueFull += 1;
      return false;
    }
    this.#sent += 1;
    this.#bytesSent += bytes.length;
    this.dependencies.transmit(new Uint8Array(bytes));
    return true;
  }

  onDatagram(handler: (bytes: Uint8Array) => void): void {
    this.#handler = handler;
  }

  /** A message arrived. */
  handle(bytes: Uint8Array): void {
    this.#received += 1;
    this.#bytesReceived += bytes.length;
    if (this.#handler === undefined) this.#droppedNoHandler += 1;
    else this.#handler(bytes);
  }

  stats(): DatagramStats {
    return {
      sent: this.#sent,
      received: this.#received,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      queued: 0,
      droppedTooLarge: this.#droppedTooLarge,
      droppedQueueFull: this.#droppedQueueFull,
      droppedNoHandler: this.#droppedNoHandler,
      droppedReceiveQueueFull: 0,
    };
  }
}
