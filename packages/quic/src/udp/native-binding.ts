import { createRequire } from 'node:module';

/** A socket of the addon. Opaque. */
export type NativeSocket = object & { readonly __brand: 'native-socket' };

/** Sent, to be tried again, or gone: what `send` answers. */
export const SendOutcome = { sent: 0, blocked: 1, lost: 2 } as const;

/** What `native/udp_io.c` offers. Addresses are packed: the bytes of a sockaddr. */
export interface NativeUdp {
  /** Slots in a batch, integers that describe a slot, bytes of a packed address. */
  layout(): readonly [slots: number, fieldsPerSlot: number, addressBytes: number];
  packAddress(host: string, port: number, family: 4 | 6): Uint8Array;
  unpackHost(packed: Uint8Array, offset: number): string;
  open(
    host: string,
    port: number,
    family: 4 | 6,
    receiveBufferBytes: number,
    sendBufferBytes: number,
  ): NativeSocket;
  /**
   * Receives into the slab, which is cut into as many slots as a batch has. Of each slot `info` tells: bytes received, the
   * size of the datagrams joined in it (0: it is one), and whether the sender differs from the slot's before; then its
   * packed address is in `senders`.
   */
  start(
    socket: NativeSocket,
    slab: Uint8Array,
    info: Int32Array,
    senders: Uint8Array,
    onBatch: (slots: number) => void,
  ): void;
  send(
    socket: NativeSocket,
    slab: Uint8Array,
    offset: number,
    lengthBytes: number,
    segmentBytes: number,
    address: Uint8Array,
  ): number;
  localAddress(socket: NativeSocket): Uint8Array;
  hasSegmentation(socket: NativeSocket): boolean;
  close(socket: NativeSocket): void;
}

const PLACES = [
  `../../prebuilds/${process.platform}-${process.arch}/udp_io.node`,
  '../../build/Release/udp_io.node',
];

let loaded: NativeUdp | null | undefined;

/** The addon, where one was shipped or built for this machine; otherwise undefined. Looked for once. */
export function loadNativeUdp(): NativeUdp | undefined {
  if (loaded === undefined) loaded = process.platform === 'linux' ? load() : null;
  return loaded ?? undefined;
}

function load(): NativeUdp | null {
  const require = createRequire(import.meta.url);
  for (const place of PLACES) {
    try {
      return require(place) as NativeUdp;
    } catch {
      // Not there, or for another system: the next one.
    }
  }
  return null;
}
