import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { SocketAddress } from '../../transport.js';
import type { QuicConnection } from '../connection.js';
import type { ConnectionHost } from '../connection-host.js';
import type { PeerPath } from './peer-path.js';

/** Datagrams of the transport's own, beside those of size-probing.ts. Check: 0x03 · 8 random bytes. Answer: 0x04 · the same. */
const CHECK = 0x03;
const ANSWER = 0x04;
const TOKEN_BYTES = 8;
/** A check may sit in any of the next packets; all of them go to the address in question. */
const CHECK_PACKETS = 3;
/** Between two checks: nobody can make us send much to an address that is not the peer's. */
const CHECK_INTERVAL_MS = 200;

/**
 * Lets a dialler follow a peer whose address changes, which QUIC does not provide for: only diallers migrate there. When
 * genuine packets begin to come from another address than before, that address is asked for a sign that it is the peer's,
 * and answers; then packets go there. Until then everything but the question goes to where it always went. quiche does
 * not learn of it: it believes in one constant address.
 */
export class PathFollower {
  #pending: { readonly token: Buffer; readonly address: SocketAddress } | undefined;
  #checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly connection: QuicConnection,
    private readonly host: Pick<ConnectionHost, 'schedule' | 'handleMoved'>,
    private readonly path: PeerPath,
  ) {}

  /** Says something, so that the peer learns where our packets come from now. */
  refresh(): void {
    this.connection.quiche.sendAckEliciting();
    this.host.schedule(this.connection);
  }

  /** Hands a datagram to quiche, and looks where it came from. Throws what quiche throws. */
  receive(datagram: Buffer, host: string, port: number, isVerified: boolean): void {
    const { path } = this;
    const { quiche } = this.connection;
    if (!path.isNewSource(host, port)) {
      quiche.recv(datagram, path.receivedFrom(host, port));
      return;
    }
    const before = quiche.stats().recv;
    quiche.recv(datagram, path.receivedFrom(host, port));
    // Neither a forged packet nor a copy of a genuine one counts.
    if (quiche.stats().recv === before) return;
    if (isVerified) this.#check({ host, port });
    else path.noteSource(host, port);
  }

  /** Takes a datagram of the transport's own. Whether it was one of these. */
  handleDatagram(datagram: Uint8Array): boolean {
    const kind = datagram[0];
    if (kind !== CHECK && kind !== ANSWER) return false;
    if (datagram.length !== 1 + TOKEN_BYTES) return true;
    if (kind === CHECK) this.#send(ANSWER, datagram.subarray(1));
    else this.#handleAnswer(datagram.subarray(1));
    return true;
  }

  #check(address: SocketAddress): void {
    const now = performance.now();
    if (now - this.#checkedAtMs < CHECK_INTERVAL_MS) return;
    this.#checkedAtMs = now;
    const token = randomBytes(TOKEN_BYTES);
    this.#pending = { token, address };
    if (this.#send(CHECK, token)) this.path.divert(address, CHECK_PACKETS);
  }

  #handleAnswer(token: Uint8Array): void {
    const pending = this.#pending;
    if (pending === undefined || !timingSafeEqual(pending.token, token)) return;
    this.#pending = undefined;
    const from = this.path.address;
    this.path.moveTo(pending.address);
    this.host.handleMoved(this.connection, from);
  }

  #send(kind: number, token: Uint8Array): boolean {
    try {
      this.connection.quiche.dgramSend(Buffer.concat([Uint8Array.of(kind), token]));
    } catch {
      // The queue is full, or the peer takes none: another packet will ask again.
      return false;
    }
    this.host.schedule(this.connection);
    return true;
  }
}
