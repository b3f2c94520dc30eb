import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { type SocketAddress, TransportError } from '../transport.js';
import type { DatagramIo, SocketBuffers } from './datagram-io.js';

const MAPPED_PREFIX = '::ffff:';
/** How many packets are sent between two looks at the socket's queue. */
const CHECK_EVERY = 32;
const MAX_SIZES = 16;

/** Opens a UDP socket with node:dgram. `listen-failed` when the address cannot be had. */
export async function openDgramIo(listen: SocketAddress, options: SocketBuffers): Promise<DatagramIo> {
  const isV4 = isIPv4(listen.host);
  const family = isV4 ? 4 : 6;
  const socket = createSocket({
    type: isV4 ? 'udp4' : 'udp6',
    // Every address is an IP literal of this family; the default look-up would defer each packet by a tick.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  try {
    const listening = once(socket, 'listening');
    socket.bind(listen.port, listen.host);
    await listening;
  } catch (cause) {
    socket.close();
    throw new TransportError('listen-failed', `cannot listen on ${listen.host} port ${listen.port}`, {
      cause,
    });
  }
  enlargeBuffers(socket, options);
  return new DgramIo(socket);
}

/** The kernel grants at most its own limit and says nothing; more is better, less still works. */
function enlargeBuffers(socket: Socket, options: SocketBuffers): void {
  try {
    socket.setRecvBufferSize(options.receiveBufferBytes);
    socket.setSendBufferSize(options.sendBufferBytes);
  } catch {
    // Not every system lets a program choose.
  }
}

class DgramIo implements DatagramIo {
  readonly name = 'dgram';
  readonly localAddress: SocketAddress;
  readonly #socket: Socket;
  readonly #mapsIpv4: boolean;
  readonly #small = new PacketRing(2_048, 1_024);
  readonly #large = new PacketRing(16_384, 128);
  #current: Buffer = Buffer.alloc(0);
  #sinceCheck = 0;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { address, port, family } = socket.address();
    this.localAddress = { host: address, port };
    this.#mapsIpv4 = family === 'IPv6';
    // An ICMP answer or a full queue is one lost packet; QUIC recovers from those.
    socket.on('error', ignoreError);
  }

  onDatagram(handler: (datagram: Buffer, host: string, port: number) => void): void {
    this.#socket.on('message', (datagram, remote) => {
      const host = remote.address;
      handler(
        datagram,
        host.startsWith(MAPPED_PREFIX) ? host.slice(MAPPED_PREFIX.length) : host,
        remote.port,
      );
    });
  }

  allocate(sizeBytes: number): Uint8Array | undefined {
    if (this.#closed) return undefined;
    if (this.#sinceCheck >= CHECK_EVERY) {
      if (this.#socket.getSendQueueCount() > 0) return undefined;
      this.#sinceCheck = 0;
    }
    this.#current = (sizeBytes <= 2_048 ? this.#small : this.#large).next(sizeBytes);
    return this.#current;
  }

  send(lengthBytes: number, host: string, port: number): void {
    if (this.#closed) return;
    this.#sinceCheck += 1;
    const packet =
      lengthBytes === this.#current.length ? this.#current : this.#current.subarray(0, lengthBytes);
    this.#socket.send(packet, port, this.#mapsIpv4 && isIPv4(host) ? MAPPED_PREFIX + host : host);
  }

  flush(): void {}

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

/** Buffers handed out in turn, so that one that still waits in the socket's queue is not written over. */
class PacketRing {
  #slab: Buffer | undefined;
  #views = new Map<number, Buffer[]>();
  /** Of the size asked for last, which is nearly always the one asked for next. */
  #current: Buffer[] = [];
  #currentSizeBytes = 0;
  #next = 0;

  constructor(
    private readonly strideBytes: number,
    private readonly count: number,
  ) {}

  next(sizeBytes: number): Buffer {
    if (sizeBytes !== this.#currentSizeBytes) {
      this.#current = this.#views.get(sizeBytes) ?? this.#buildViews(sizeBytes);
      this.#currentSizeBytes = sizeBytes;
    }
    this.#next = (this.#next + 1) % this.count;
    return this.#current[this.#next] ?? Buffer.alloc(sizeBytes);
  }

  /** One view per buffer and size, kept: making one per packet would cost as much as routing it. */
  #buildViews(sizeBytes: number): Buffer[] {
    this.#slab ??= Buffer.allocUnsafeSlow(this.strideBytes * this.count);
    const slab = this.#slab;
    const views = Array.from({ length: this.count }, (_, i) =>
      slab.subarray(i * this.strideBytes, i * this.strideBytes + sizeBytes),
    );
    if (this.#views.size >= MAX_SIZES) this.#views.clear();
    this.#views.set(sizeBytes, views);
    return views;
  }
}

function ignoreError(): void {}
