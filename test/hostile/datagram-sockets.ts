import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Packets in a burst, and how long after it the next follows: 20,000 a second. More would fill the kernel's buffer alone. */
const BURST_PACKETS = 200;
const BURST_EVERY_MS = 10;

/** Many ports that send to one. */
export class DatagramSockets {
  answers = 0;

  private constructor(
    private readonly sockets: readonly Socket[],
    private readonly port: number,
  ) {
    for (const socket of sockets) {
      socket.on('message', () => {
        this.answers++;
      });
    }
  }

  /** `hosts` are addresses of the loopback interface; the ports are dealt out among them. */
  static async open(
    count: number,
    port: number,
    hosts: readonly string[] = ['127.0.0.1'],
  ): Promise<DatagramSockets> {
    const sockets = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const socket = createSocket('udp4');
        socket.bind(0, hosts[n % hosts.length] ?? '127.0.0.1');
        await once(socket, 'listening');
        return socket;
      }),
    );
    return new DatagramSockets(sockets, port);
  }

  /** Sends what `packet` makes, from one port after the other, for this long. Resolves with the number of packets. */
  async flood(ms: number, packet: (n: number, socket: number) => Uint8Array): Promise<number> {
    const end = performance.now() + ms;
    let sent = 0;
    while (performance.now() < end) {
      for (let i = 0; i < BURST_PACKETS; i++, sent++) {
        const at = sent % this.sockets.length;
        this.sockets[at]?.send(packet(sent, at), this.port, '127.0.0.1');
      }
      await delay(BURST_EVERY_MS);
    }
    return sent;
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
  }
}
