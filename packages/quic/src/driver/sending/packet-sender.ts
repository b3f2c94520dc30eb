import type { DatagramIo } from '../../udp/datagram-io.js';
import type { PacketSize } from '../path/packet-size.js';
import type { PeerPath } from '../path/peer-path.js';
import { purgeProbes, queueProbe } from '../path/size-probing.js';
import { MIN_PACKET_BYTES, type QuicheConnection } from '../quiche-binding.js';

/** How many packets a probe may need: others can be in line before it. */
const PROBE_PACKETS = 3;
const DEFAULT_LINGER_MS = 300;

/** The connection's close, to be kept and repeated for a while. */
export interface ClosingDatagram {
  readonly datagram: Uint8Array;
  readonly lingerMs: number;
}

export interface PacketSenderDependencies {
  readonly quiche: QuicheConnection;
  readonly io: DatagramIo;
  readonly path: PeerPath;
  readonly packetSize: PacketSize;
  readonly countSent: (packets: number, bytes: number) => void;
}

/** Takes packets out of quiche, at the size that the path carries now, and puts them on the network. */
export class PacketSender {
  constructor(private readonly dependencies: PacketSenderDependencies) {}

  /** Sends at most `limit` packets. Returns how many; -1 when the kernel takes no more for now. */
  send(limit: number): number {
    const { io, packetSize, path, countSent } = this.dependencies;
    const probeBytes = this.#startProbe();
    const sizeBytes = packetSize.currentBytes;
    let isProbing = probeBytes > 0;
    let sent = 0;
    let bytes = 0;
    let isCongested = false;
    while (sent < limit) {
      const buffer = io.allocate(isProbing ? probeBytes : sizeBytes);
      if (buffer === undefined) {
        isCongested = true;
        break;
      }
      const result = this.#take(buffer);
      if (result === null) break;
      const [length, info] = result;
      const to = path.resolve(info.to.host, info.to.port);
      io.send(length, to.host, to.port);
      bytes += length;
      sent += 1;
      if (isProbing) isProbing = sent < PROBE_PACKETS && this.dependencies.quiche.dgramSendQueueLen() > 0;
    }
    if (probeBytes > 0) this.#finishProbe();
    if (sent > 0) {
      io.flush();
      countSent(sent, bytes);
    }
    return isCongested ? -1 : sent;
  }

  /** Takes what `quiche.close` made out of quiche, without sending it. */
  takeClosing(): ClosingDatagram | undefined {
    const buffer = Buffer.alloc(MIN_PACKET_BYTES);
    const result = this.#take(buffer);
    if (result === null) return undefined;
    const lingerMs = this.dependencies.quiche.timeout() ?? DEFAULT_LINGER_MS;
    return { datagram: buffer.subarray(0, result[0]), lingerMs };
  }

  #take(buffer: Uint8Array): ReturnType<QuicheConnection['send']> {
    try {
      return this.dependencies.quiche.send(buffer);
    } catch {
      // quiche has noted what went wrong and closes by itself.
      return null;
    }
  }

  /** Queues a probe of the path when one is due, and returns the size that its packet needs; otherwise 0. */
  #startProbe(): number {
    const { packetSize, quiche } = this.dependencies;
    const probe = packetSize.takeDueProbe(performance.now());
    return probe !== undefined && queueProbe(quiche, probe) ? probe.sizeBytes : 0;
  }

  /** A probe that did not go out would block the queue: no later packet is large enough for it. */
  #finishProbe(): void {
    const { packetSize, quiche } = this.dependencies;
    if (quiche.dgramSendQueueLen() === 0) {
      packetSize.handleProbeSent();
      return;
    }
    purgeProbes(quiche);
    packetSize.handleProbeUnsent(performance.now());
  }
}
