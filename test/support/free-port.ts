import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A UDP port of the loopback interface that nobody used a moment ago. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
