import type { SocketAddress } from '../../transport.js';
import type { Route } from '../route.js';
import type { ClosingDatagram } from '../sending/packet-sender.js';
import { CLOSE_REPEATS_MS, ClosingRoute } from './closing-route.js';
import { UNSENT_CLOSE_TRIES, type UnsentClose } from './unsent-close.js';

/** More closes than this are not repeated at once: the oldest gives way. */
const MAX_LINGERING = 4_096;

interface Lingerer extends Route {
  /** Once more, before the endpoint goes. */
  repeat(): void;
  stop(): void;
}

/** Connections that were closed here and are remembered a little longer, so that their close arrives. */
export class Lingering {
  readonly #keys = new Map<Lingerer, readonly string[]>();

  constructor(
    private readonly routes: Map<string, Route>,
    private readonly send: (datagram: Uint8Array, to: SocketAddress) => void,
  ) {}

  get size(): number {
    return this.#keys.size;
  }

  /** Sends the close, and stands in for the connection under these keys for a while. */
  add(keys: readonly string[], { datagram, lingerMs }: ClosingDatagram, to: SocketAddress): void {
    if (this.#keys.size >= MAX_LINGERING) this.#forgetOldest();
    // A copy: the datagram sits in a buffer of a full packet's size.
    const route = new ClosingRoute(Buffer.from(datagram), to, this.send, {
      lingerMs,
      onOver: () => this.#forget(route),
    });
    this.#keep(route, keys);
  }

  /** Stands in for a connection whose close cannot be sent yet, until it can, or for a second. */
  addUnsent(keys: readonly string[], unsent: UnsentClose, to: SocketAddress): void {
    if (this.#keys.size >= MAX_LINGERING) this.#forgetOldest();
    const proceed = (closing: ClosingDatagram | undefined): void => {
      if (closing === undefined || !this.#keys.has(waiting)) return;
      this.#forget(waiting);
      this.add(keys, closing, to);
    };
    const untilMs = performance.now() + UNSENT_CLOSE_TRIES.untilMs;
    const timer = setInterval(() => {
      proceed(unsent.handleTime());
      if (performance.now() >= untilMs) this.#forget(waiting);
    }, UNSENT_CLOSE_TRIES.intervalMs);
    timer.unref();
    const waiting: Lingerer = {
      receive: (datagram, host, port) => proceed(unsent.receive(datagram, host, port)),
      repeat: () => proceed(unsent.handleTime()),
      stop: () => clearInterval(timer),
    };
    this.#keep(waiting, keys);
  }

  /** Repeats every close once more, and forgets all of them. */
  async finish(): Promise<void> {
    if (this.#keys.size === 0) return;
    await new Promise((resolve) => setTimeout(resolve, CLOSE_REPEATS_MS[0]));
    for (const route of [...this.#keys.keys()]) this.#forget(route);
  }

  #keep(route: Lingerer, keys: readonly string[]): void {
    this.#keys.set(route, keys);
    for (const key of keys) this.routes.set(key, route);
  }

  #forgetOldest(): void {
    for (const route of this.#keys.keys()) {
      this.#forget(route);
      return;
    }
  }

  #forget(route: Lingerer): void {
    route.stop();
    for (const key of this.#keys.get(route) ?? []) {
      if (this.routes.get(key) === route) this.routes.delete(key);
    }
    this.#keys.delete(route);
  }
}
