import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { findPacketTarget, readInterfaceMtu } from './interface-mtu.js';

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** An interface that comes, goes or changes is seen this much later, by connections that begin then. */
const KEPT_MS = 1_000;

/**
 * How large packets may become, for each connection that begins. What the system says about its interfaces is kept for a
 * moment: asking takes longer than all else that opens a connection, and a stranger's packet makes us ask.
 */
export class PacketTargets {
  #interfaces: Interfaces = {};
  readonly #mtus = new Map<string, number | undefined>();
  #keptUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly maxPacketBytes = Number.POSITIVE_INFINITY,
    private readonly readInterfaces: () => Interfaces = networkInterfaces,
    private readonly readMtu: (name: string) => number | undefined = readInterfaceMtu,
  ) {}

  /** For a peer at this address, in bytes of UDP payload. `now`: ms, monotonic. */
  find(remoteHost: string, now: number): number {
    if (now >= this.#keptUntilMs) {
      this.#interfaces = this.readInterfaces();
      this.#mtus.clear();
      this.#keptUntilMs = now + KEPT_MS;
    }
    const target = findPacketTarget(remoteHost, this.#interfaces, (name) => this.#mtuOf(name));
    return Math.min(this.maxPacketBytes, target);
  }

  #mtuOf(name: string): number | undefined {
    if (!(name in this.#interfaces)) return undefined;
    if (!this.#mtus.has(name)) this.#mtus.set(name, this.readMtu(name));
    return this.#mtus.get(name);
  }
}
