import { isIPv4 } from 'node:net';
import { type SocketAddress, TransportError } from '../transport.js';
import type { DatagramIo, SocketBuffers } from './datagram-io.js';
import { type NativeSocket, type NativeUdp, SendOutcome } from './native-binding.js';
import { SendBatch } from './send-batch.js';
import { SlotViews } from './slot-views.js';

/** The largest that the kernel hands over at once. */
const SLOT_BYTES = 64 * 1024;
const RETRY_MS = 1;
const MAX_PACKED_ADDRESSES = 4_096;

type DatagramHandler = (datagram: Buffer, host: string, port: number) => void;

/** Opens a UDP socket with the addon. `listen-failed` when the address cannot be had. */
export function openNativeIo(native: NativeUdp, listen: SocketAddress, buffers: SocketBuffers): DatagramIo {
  const family = isIPv4(listen.host) ? 4 : 6;
  try {
    const { receiveBufferBytes, sendBufferBytes } = buffers;
    const socket = native.open(listen.host, listen.port, family, receiveBufferBytes, sendBufferBytes);
    return new NativeIo(native, socket, family);
  } catch (cause) {
    throw new TransportError('listen-failed', `cannot listen on ${listen.host} port ${listen.port}`, {
      cause,
    });
  }
}

/**
 * UDP with one system call per batch. A received datagram lies in the slab only while its handler runs; packets to send
 * of one size, for one address, gather in a {@link SendBatch} until another comes, or `flush`.
 */
class NativeIo implements DatagramIo {
  readonly name: string;
  readonly localAddress: SocketAddress;
  readonly #batch = new SendBatch();
  readonly #packed = new Map<string, Uint8Array>();
  #isBlocked = false;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly native: NativeUdp,
    private readonly socket: NativeSocket,
    private readonly family: 4 | 6,
  ) {
    this.name = native.hasSegmentation(socket) ? 'native (segmentation offload)' : 'native';
    const packed = native.localAddress(socket);
    this.localAddress = { host: native.unpackHost(packed, 0), port: portOf(packed, 0) };
  }

  onDatagram(handler: DatagramHandler): void {
    const [slots, fields, addressBytes] = this.native.layout();
    const slab = Buffer.allocUnsafeSlow(slots * SLOT_BYTES);
    const info = new Int32Array(slots * fields);
    const senders = new Uint8Array(slots * addressBytes);
    const views = new SlotViews(slab, SLOT_BYTES);
    let host = '';
    let port = 0;
    this.native.start(this.socket, slab, info, senders, (count) => {
      for (let slot = 0; slot < count && !this.#isClosed; slot++) {
        const length = info[slot * fields] ?? 0;
        const segment = info[slot * fields + 1] ?? 0;
        if (info[slot * fields + 2] !== 0) {
          host = this.native.unpackHost(senders, slot * addressBytes);
          port = portOf(senders, slot * addressBytes);
        }
        if (segment === 0 || segment >= length) {
          handler(views.single(slot, length), host, port);
          continue;
        }
        views.select(segment);
        for (let place = 0; place * segment < length; place++) {
          handler(views.view(slot, place, Math.min(segment, length - place * segment)), host, port);
        }
      }
    });
  }

  allocate(sizeBytes: number): Uint8Array | undefined {
    if (this.#isClosed) return undefined;
    if (this.#isBlocked || !this.#batch.fits(sizeBytes)) this.flush();
    return this.#isBlocked ? undefined : this.#batch.next(sizeBytes);
  }

  send(lengthBytes: number, host: string, port: number): void {
    if (this.#isClosed) return;
    const address = this.#pack(host, port);
    if (address === undefined) return;
    if (!this.#batch.isFor(address)) this.flush();
    // Blocked by what was for somebody else: this packet is a loss.
    if (this.#isBlocked) return;
    if (!this.#batch.add(lengthBytes, address)) this.flush();
  }

  flush(): void {
    const { startBytes, lengthBytes, segmentBytes, address } = this.#batch;
    if (lengthBytes === 0 || address === undefined || this.#isClosed) return;
    const outcome = this.native.send(
      this.socket,
      this.#batch.slab,
      startBytes,
      lengthBytes,
      segmentBytes,
      address,
    );
    this.#isBlocked = outcome === SendOutcome.blocked;
    if (this.#isBlocked) this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
    else this.#batch.clear();
  }

  #tryAgain(): void {
    this.#retry = undefined;
    this.flush();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.native.close(this.socket);
  }

  /** Packed once per peer; undefined for what is no address of this socket's family. */
  #pack(host: string, port: number): Uint8Array | undefined {
    const key = `${host} ${port}`;
    const known = this.#packed.get(key);
    if (known !== undefined) return known;
    try {
      const packed = this.native.packAddress(host, port, this.family);
      if (this.#packed.size >= MAX_PACKED_ADDRESSES) this.#packed.clear();
      this.#packed.set(key, packed);
      return packed;
    } catch {
      return undefined;
    }
  }
}

function portOf(packed: Uint8Array, offset: number): number {
  return ((packed[offset + 2] ?? 0) << 8) | (packed[offset + 3] ?? 0);
}
