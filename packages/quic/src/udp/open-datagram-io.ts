import type { SocketAddress } from '../transport.js';
import type { DatagramIo, SocketBuffers } from './datagram-io.js';
import { openDgramIo } from './dgram-io.js';
import { loadNativeUdp } from './native-binding.js';
import { openNativeIo } from './native-io.js';

/** `auto` takes the native one where the addon loads, and node:dgram elsewhere. */
export type DatagramIoChoice = 'auto' | 'native' | 'dgram';

/** Opens a UDP socket. `listen-failed` when the address cannot be had; an Error when `native` is not there. */
export async function openDatagramIo(
  choice: DatagramIoChoice,
  listen: SocketAddress,
  buffers: SocketBuffers,
): Promise<DatagramIo> {
  const native = choice === 'dgram' ? undefined : loadNativeUdp();
  if (native !== undefined) return openNativeIo(native, listen, buffers);
  if (choice === 'native') throw new Error('the native datagram I/O was not built for this machine');
  return openDgramIo(listen, buffers);
}
