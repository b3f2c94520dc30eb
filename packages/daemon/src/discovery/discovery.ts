import type { DeviceKey } from '../core/model/identifiers.js';

export interface FoundAddress {
  /** An IP literal. */
  readonly host: string;
  readonly port: number;
}

/** A device that says it is here. Only its certificate proves it. */
export interface FoundDevice {
  readonly deviceId: DeviceKey;
  /** 1 to 8, all of networks that this machine is on; IPv4 first. */
  readonly addresses: readonly FoundAddress[];
}

export interface Announcement {
  readonly deviceId: DeviceKey;
  /** The UDP port that QUIC is reached at. */
  readonly port: number;
}

/** How devices on one network find each other's addresses. What fails here is logged and shown, never thrown. */
export interface Discovery {
  start(): void;
  /** Says goodbye to the others, as far as that goes within half a second. */
  stop(): Promise<void>;
  /** What this device says of itself; undefined for nothing. May be called before `start` and at any time after. */
  setAnnouncement(announcement: Announcement | undefined): void;
  /** Looks again now, and announces the addresses that this machine has now. For when its addresses changed. */
  refresh(): void;
  /** Calls back when a device appears, comes back, or has other addresses; the returned function ends that. */
  onDeviceFound(listener: (device: FoundDevice) => void): () => void;
  /** Who is here now. */
  nearby(): readonly FoundDevice[];
  /** Why it does not work at the moment, for a person; undefined when it does. */
  problem(): string | undefined;
}

export const MAX_ADDRESSES_PER_DEVICE = 8;

/** For `--no-discovery`: neither says nor hears anything. */
export class NoDiscovery implements Discovery {
  start(): void {}
  async stop(): Promise<void> {}
  setAnnouncement(): void {}
  refresh(): void {}
  onDeviceFound(): () => void {
    return () => undefined;
  }
  nearby(): readonly FoundDevice[] {
    return [];
  }
  problem(): string | undefined {
    return undefined;
  }
}
