import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { SocketAddress } from '../transport.js';

export type Direction = 'to-acceptor' | 'to-dialler';

/** Stands between a dialler and an acceptor, and loses, delays or redirects datagrams as a test wants. */
export interface UdpRelay {
  /** Where the dialler dials. */
  readonly address: SocketAddress;
  /** Says for every datagram whether it passes. */
  setFilter(passes: (direction: Direction, datagram: Buffer) => boolean): void;
  /** From now on the dialler's packets reach the acceptor from another port, as after a NAT forgot it. */
  rebind(): Promise<void>;
  /** From now on answers reach the dialler from another port than the one it dialled. */
  answerFromElsewhere(): Promise<void>;
  /** From now on the acceptor is at another port: what goes to the one before is lost, and answers come from the new one. */
  moveAcceptor(): Promise<SocketAddress>;
  /** From now on every answer reaches the dialler a second time, a moment later, from another port. */
  copyAnswersFromElsewhere(): Promise<{ sent(): number; received(): number }>;
  /** From now on there is another acceptor; of the one before nothing is heard any more. */
  retarget(acceptor: SocketAddress): void;
  stop(): void;
}

export interface UdpRelayOptions {
  /** How much later than it came an answer goes on to the dialler. Default 0. */
  readonly answersDelayedByMs?: number;
}

const HOST = '127.0.0.1';

async function open(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}

export async function startUdpRelay(
  firstAcceptor: SocketAddress,
  { answersDelayedByMs = 0 }: UdpRelayOptions = {},
): Promise<UdpRelay> {
  let acceptor = firstAcceptor;
  let inner = await open();
  let outer = await open();
  let answering = inner;
  const sockets = [inner, outer];
  let dialler: SocketAddress | undefined;
  let passes: (direction: Direction, datagram: Buffer) => boolean = () => true;

  let isStopped = false;
  let copy: ((datagram: Buffer, to: SocketAddress) => void) | undefined;

  const answer = (datagram: Buffer, to: SocketAddress): void => {
    if (answersDelayedByMs === 0) answering.send(datagram, to.port, to.host);
    else {
      setTimeout(() => {
        if (!isStopped) answering.send(datagram, to.port, to.host);
      }, answersDelayedByMs);
    }
  };
  const forwardAnswers = (socket: Socket): void => {
    socket.on('message', (datagram, remote) => {
      if (remote.port !== acceptor.port) return;
      if (dialler !== undefined && passes('to-dialler', datagram)) {
        answer(datagram, dialler);
        copy?.(datagram, dialler);
      }
    });
  };
  const forwardRequests = (socket: Socket): void => {
    socket.on('message', (datagram, remote) => {
      if (socket !== inner) return;
      dialler = { host: remote.address, port: remote.port };
      if (passes('to-acceptor', datagram)) outer.send(datagram, acceptor.port, acceptor.host);
    });
  };
  forwardRequests(inner);
  forwardAnswers(outer);

  return {
    address: { host: HOST, port: inner.address().port },
    setFilter: (filter) => {
      passes = filter;
    },
    rebind: async () => {
      outer = await open();
      sockets.push(outer);
      forwardAnswers(outer);
    },
    answerFromElsewhere: async () => {
      answering = await open();
      sockets.push(answering);
    },
    moveAcceptor: async () => {
      inner = await open();
      answering = inner;
      sockets.push(inner);
      forwardRequests(inner);
      return { host: HOST, port: inner.address().port };
    },
    copyAnswersFromElsewhere: async () => {
      const elsewhere = await open();
      sockets.push(elsewhere);
      let sent = 0;
      let received = 0;
      elsewhere.on('message', () => {
        received += 1;
      });
      copy = (datagram, to) => {
        const again = Buffer.from(datagram);
        setTimeout(() => {
          if (isStopped) return;
          sent += 1;
          elsewhere.send(again, to.port, to.host);
        }, 1);
      };
      return { sent: () => sent, received: () => received };
    },
    retarget: (next) => {
      acceptor = next;
    },
    stop: () => {
      isStopped = true;
      for (const socket of sockets) socket.close();
    },
  };
}
