import type { SocketAddress } from '@landropic/quic';

export interface DiscoveryEvents {
  /** A device announces itself at these addresses, the most likely first, at most 8. */
  found(deviceId: string, addresses: readonly SocketAddress[]): void;
  /** This machine's own addresses have changed. */
  addressesChanged(): void;
}

/** Finds devices on the local network, and lets them find this one. Failures are logged and survived. */
export interface Discovery {
  start(announcement: { readonly deviceId: string; readonly port: number }, events: DiscoveryEvents): void;
  stop(): Promise<void>;
}

/** Neither looks nor announces. */
export class NoDiscovery implements Discovery {
  start(): void {}

  async stop(): Promise<void> {}
}
