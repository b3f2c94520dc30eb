import { type Endpoint, type SocketAddress, TransportError } from '../transport.js';
import { Link, type LinkConditions } from './link.js';
import { MemoryEndpoint, type MemoryEndpointHost, type MemoryEndpointOptions } from './memory-endpoint.js';
import { createSeededRandom } from './seeded-random.js';
import { VirtualClock } from './virtual-clock.js';

export interface MemoryNetworkOptions extends Partial<LinkConditions> {
  /** Default: a clock of its own, see {@link MemoryNetwork.clock}. */
  readonly clock?: VirtualClock;
  /** The same seed gives the same run. Default 1. */
  readonly seed?: number;
}

const DEFAULT_CONDITIONS: LinkConditions = {
  latencyMs: 0.2,
  jitterMs: 0,
  lossRate: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};
const FIRST_EPHEMERAL_PORT = 49_152;

/** An endpoint in memory, which can also crash. */
export type NetworkEndpoint = Endpoint & Pick<MemoryEndpoint, 'crash'>;

export interface MemoryNetwork {
  readonly clock: VirtualClock;
  /** Hangs an endpoint on the network. Port 0 takes any. Throws `listen-failed` when the address is taken. */
  endpoint(address: SocketAddress, options: MemoryEndpointOptions): NetworkEndpoint;
  /** Changes how the way between two hosts behaves from now on, in both directions. */
  setConditions(hostA: string, hostB: string, conditions: Partial<LinkConditions>): void;
  /** Nothing passes between these hosts any more. Connections time out when it lasts. */
  cut(hostA: string, hostB: string): void;
  /** What was under way arrives after all. */
  mend(hostA: string, hostB: string): void;
}

/** A network in memory: no socket, no real time, and everything random comes from the seed. */
export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new Network(options);
}

class Network implements MemoryNetwork, MemoryEndpointHost {
  readonly clock: VirtualClock;
  readonly #random: () => number;
  readonly #conditions: LinkConditions;
  readonly #endpoints = new Map<string, MemoryEndpoint>();
  readonly #links = new Map<string, Link>();
  readonly #cutSince = new Map<string, number>();
  #nextPort = FIRST_EPHEMERAL_PORT;
  #nextId = 1;

  constructor(options: MemoryNetworkOptions) {
    const { clock, seed = 1, ...conditions } = options;
    this.clock = clock ?? new VirtualClock();
    this.#random = createSeededRandom(seed);
    this.#conditions = { ...DEFAULT_CONDITIONS, ...conditions };
  }

  endpoint(address: SocketAddress, options: MemoryEndpointOptions): NetworkEndpoint {
    const local = { host: address.host, port: address.port === 0 ? this.#nextPort++ : address.port };
    const key = keyOf(local);
    if (this.#endpoints.has(key)) {
      throw new TransportError('listen-failed', `${local.host} port ${local.port} is taken`);
    }
    const endpoint = new MemoryEndpoint(this, local, options);
    this.#endpoints.set(key, endpoint);
    return endpoint;
  }

  setConditions(hostA: string, hostB: string, conditions: Partial<LinkConditions>): void {
    for (const link of this.#bothWays(hostA, hostB)) link.conditions = { ...link.conditions, ...conditions };
  }

  cut(hostA: string, hostB: string): void {
    for (const link of this.#bothWays(hostA, hostB)) link.cut();
    const cutAtMs = this.clock.now();
    const key = pairKey(hostA, hostB);
    this.#cutSince.set(key, cutAtMs);
    for (const endpoint of this.#endpoints.values()) {
      const { host } = endpoint.localAddress;
      if (host !== hostA && host !== hostB) continue;
      const other = host === hostA ? hostB : hostA;
      this.clock.schedule(endpoint.profile.idleTimeoutMs, () => {
        if (this.#cutSince.get(key) === cutAtMs) this.#timeOut(endpoint, other);
      });
    }
  }

  mend(hostA: string, hostB: string): void {
    this.#cutSince.delete(pairKey(hostA, hostB));
    for (const link of this.#bothWays(hostA, hostB)) link.mend();
  }

  // --- MemoryEndpointHost

  /** Links are between hosts: every port shares them. */
  link(from: SocketAddress, to: SocketAddress): Link {
    return this.#oneWay(from.host, to.host);
  }

  find(address: SocketAddress): MemoryEndpoint | undefined {
    return this.#endpoints.get(keyOf(address));
  }

  nextConnectionId(): string {
    return `memory-${this.#nextId++}`;
  }

  remove(endpoint: MemoryEndpoint): void {
    this.#endpoints.delete(keyOf(endpoint.localAddress));
  }

  #timeOut(endpoint: MemoryEndpoint, otherHost: string): void {
    for (const other of [...this.#endpoints.values()]) {
      if (other.localAddress.host === otherHost) endpoint.timeOutConnectionsTo(other.localAddress);
    }
  }

  #bothWays(hostA: string, hostB: string): Link[] {
    return [this.#oneWay(hostA, hostB), this.#oneWay(hostB, hostA)];
  }

  #oneWay(from: string, to: string): Link {
    const key = `${from}>${to}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link = new Link(this.clock, this.#random, this.#conditions);
    this.#links.set(key, link);
    return link;
  }
}

function keyOf(address: SocketAddress): string {
  return `${address.host}|${address.port}`;
}

function pairKey(hostA: string, hostB: string): string {
  return [hostA, hostB].sort().join('|');
}
