/**
 * TLS sessions of peers that were connected to, so that the next connection needs no proof of their key. In memory only:
 * whoever holds a session is taken for the device it was given to. Each is used once.
 */
export class SessionCache {
  /** By peer, then by protocol; the least recently stored peer first. */
  readonly #sessions = new Map<string, Map<string, Uint8Array>>();

  constructor(private readonly maxPeers = 256) {}

  /** Peers of which anything is kept. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The latest session with this peer (`PeerIdentity.key`) under this protocol, which is then no longer here. */
  take(peerKey: string, alpn: string): Uint8Array | undefined {
    const byProtocol = this.#sessions.get(peerKey);
    const session = byProtocol?.get(alpn);
    byProtocol?.delete(alpn);
    if (byProtocol?.size === 0) this.#sessions.delete(peerKey);
    return session;
  }

  put(peerKey: string, alpn: string, session: Uint8Array): void {
    const byProtocol = this.#sessions.get(peerKey) ?? new Map<string, Uint8Array>();
    this.#sessions.delete(peerKey);
    this.#sessions.set(peerKey, byProtocol.set(alpn, session));
    if (this.#sessions.size <= this.maxPeers) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }

  /** Nothing is kept of this peer: it is no longer paired. */
  forget(peerKey: string): void {
    this.#sessions.delete(peerKey);
  }

  clear(): void {
    this.#sessions.clear();
  }
}
