import {
  type Connection,
  type Endpoint,
  fileSync,
  type SocketAddress,
  type TransportProfile,
} from '@landropic/quic';
import { createMemoryNetwork, type MemoryNetwork, type NetworkEndpoint } from '@landropic/quic/memory';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { ALPN } from '../core/wire/frame-types.js';

/** A device on a network in memory; its certificate is its ID. */
export interface MemoryDevice {
  readonly id: DeviceKey;
  readonly address: SocketAddress;
  readonly endpoint: NetworkEndpoint;
  /** Incoming connections, in the order in which they came. */
  readonly incoming: readonly Connection[];
}

/** Devices on a network in memory, under a clock that a test moves. */
export class MemoryDevices {
  readonly network: MemoryNetwork;
  readonly clock: Clock;

  constructor(seed = 1) {
    this.network = createMemoryNetwork({ seed });
    const { clock } = this.network;
    this.clock = {
      nowMs: () => 1_700_000_000_000 + clock.now(),
      monotonicMs: () => clock.now(),
      after: (delayMs, callback) => clock.schedule(delayMs, callback),
    };
  }

  add(
    id: string,
    options: {
      readonly protocols?: readonly string[];
      readonly accepts?: (key: DeviceKey) => boolean;
      readonly profile?: TransportProfile;
    } = {},
  ): MemoryDevice {
    const { protocols = [ALPN], accepts = () => true, profile = fileSync } = options;
    const address = { host: `host-${id}`, port: 4000 };
    const endpoint = this.network.endpoint(address, {
      certificate: Buffer.from(id),
      verifyPeer: verifyIf(accepts),
      profile,
    });
    endpoint.setAcceptedProtocols(protocols);
    const incoming: Connection[] = [];
    endpoint.onConnection((connection) => incoming.push(connection));
    return { id: id as DeviceKey, address, endpoint, incoming };
  }

  /** Lets what was begun go on, without much time passing. */
  settle(): Promise<void> {
    return this.network.clock.advance(20);
  }

  advance(durationMs: number): Promise<void> {
    return this.network.clock.advance(durationMs);
  }
}

export function dial(
  endpoint: Endpoint,
  address: SocketAddress,
  alpn: string,
  options: { readonly expects?: DeviceKey; readonly signal?: AbortSignal } = {},
): Promise<Connection> {
  const { expects, signal } = options;
  const verifyPeer = verifyIf((key) => expects === undefined || key === expects);
  return endpoint.connect(address, { alpn, verifyPeer, ...(signal === undefined ? {} : { signal }) });
}

function verifyIf(accepts: (key: DeviceKey) => boolean) {
  return ([leaf]: readonly Uint8Array[]) => {
    const key = Buffer.from(leaf ?? []).toString() as DeviceKey;
    return accepts(key)
      ? ({ accepted: true, identity: { key } } as const)
      : ({ accepted: false, closeCode: 4, reason: 'not paired' } as const);
  };
}
