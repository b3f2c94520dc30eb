import type { SocketAddress } from '../transport.js';

/**
 * The port through which packets reach the network. Shaped so that an implementation may gather equal-sized packets for
 * one address into one system call (UDP GSO): the driver asks for a buffer, fills it, says how much of it to send where,
 * and calls {@link DatagramIo.flush} at the end of a batch.
 */
export interface DatagramIo {
  /** For the statistics, such as `dgram`. */
  readonly name: string;
  readonly localAddress: SocketAddress;
  /**
   * Hands over every datagram that arrives. The buffer is the handler's to change while it runs, and afterwards used for
   * the next datagram. Called once.
   */
  onDatagram(handler: (datagram: Buffer, host: string, port: number) => void): void;
  /** A buffer of exactly this size for the next packet; undefined while the kernel takes no more. */
  allocate(sizeBytes: number): Uint8Array | undefined;
  /** Sends the first `lengthBytes` of the buffer given out last. Errors of single packets are losses, not exceptions. */
  send(lengthBytes: number, host: string, port: number): void;
  /** Ends a batch: everything given to {@link send} goes out now. */
  flush(): void;
  close(): Promise<void>;
}

/** Asked of the kernel for a socket; it may grant less. */
export interface SocketBuffers {
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}
