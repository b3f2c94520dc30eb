import type { SocketAddress } from '../../transport.js';
import type { QuicheConnection } from '../quiche-binding.js';
import { addressKey, LOCAL_HOST_PORT, withoutZone } from './address.js';

interface ReceivedFrom {
  readonly from: SocketAddress;
  readonly to: SocketAddress;
}

const MAX_KNOWN_ADDRESSES = 8;

/**
 * Where a peer is, in our terms (with zones) and in quiche's (without).
 *
 * A dialler's quiche is told that everything comes from the address it dialled: a peer with several addresses may answer
 * from another one, and the packets prove themselves. When that peer moves, see PathFollower. An acceptor's quiche sees
 * real addresses, and follows a peer that moves only after having validated the new path.
 */
export class PeerPath {
  #address: SocketAddress;
  #received: ReceivedFrom;
  readonly #known = new Map<string, SocketAddress>();
  #mayHaveMoved = false;
  /** Of a dialler: where the peer's packets come from, which need not be where ours go. */
  #heardHost = '';
  #heardPort = 0;
  #diversion: SocketAddress | undefined;
  #divertedLeft = 0;

  constructor(
    remote: SocketAddress,
    private readonly role: 'dialler' | 'acceptor',
  ) {
    this.#address = remote;
    this.#received = { from: toQuiche(remote), to: LOCAL_HOST_PORT };
    this.#known.set(addressKey(this.#received.from), remote);
  }

  /** Where packets go now. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** The address in quiche's terms. */
  get quicheAddress(): SocketAddress {
    return toQuiche(this.#address);
  }

  receivedFrom(host: string, port: number): ReceivedFrom {
    if (this.role === 'dialler' || (port === this.#address.port && host === this.#address.host)) {
      return this.#received;
    }
    this.#mayHaveMoved = true;
    const real = { host, port };
    const from = toQuiche(real);
    if (this.#known.size >= MAX_KNOWN_ADDRESSES) this.#forgetOldest();
    this.#known.set(addressKey(from), real);
    return { from, to: LOCAL_HOST_PORT };
  }

  /** The real address for one that quiche named. */
  resolve(host: string, port: number): SocketAddress {
    const current = this.#received.from;
    if (this.role === 'dialler') return this.#divertedLeft > 0 ? this.#divert() : this.#address;
    if (port === current.port && host === current.host) return this.#address;
    return this.#known.get(addressKey({ host, port })) ?? { host, port };
  }

  /** Of a dialler: whether packets begin to come from somewhere else. */
  isNewSource(host: string, port: number): boolean {
    return this.role === 'dialler' && (port !== this.#heardPort || host !== this.#heardHost);
  }

  noteSource(host: string, port: number): void {
    this.#heardHost = host;
    this.#heardPort = port;
  }

  /** The next packets, so many of them, go there. */
  divert(address: SocketAddress, packets: number): void {
    this.#diversion = address;
    this.#divertedLeft = packets;
  }

  /** The peer has shown that it is there. */
  moveTo(address: SocketAddress): void {
    this.#address = address;
    this.#divertedLeft = 0;
    this.noteSource(address.host, address.port);
  }

  #divert(): SocketAddress {
    this.#divertedLeft -= 1;
    return this.#diversion ?? this.#address;
  }

  followMigration(quiche: QuicheConnection): void {
    if (!this.#mayHaveMoved) return;
    this.#mayHaveMoved = false;
    const active = quiche.pathStats().find((path) => path.active);
    if (active === undefined) return;
    const { host, port } = active.peerHost;
    const current = this.#received.from;
    if (host === current.host && port === current.port) return;
    this.#address = this.resolve(host, port);
    this.#received = { from: { host, port }, to: LOCAL_HOST_PORT };
  }

  #forgetOldest(): void {
    const current = addressKey(this.#received.from);
    for (const key of this.#known.keys()) {
      if (key === current) continue;
      this.#known.delete(key);
      return;
    }
  }
}

function toQuiche(address: SocketAddress): SocketAddress {
  return { host: withoutZone(address.host), port: address.port };
}
