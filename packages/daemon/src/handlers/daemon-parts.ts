import type { DeviceIdentity, TicketBook } from '@landropic/crypto';
import type { Endpoint } from '@landropic/quic';
import type { SharedFolderSet } from '../assembly/shared-folder-set.js';
import type { Home } from '../config/home.js';
import type { Settings } from '../config/settings.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { Orchestrator } from '../sync/orchestrator.js';
import type { PairedPeer, PairingService } from '../sync/pairing-service.js';
import type { PairedDevices } from '../trust/paired-devices.js';

/** The daemon's parts as the handlers of the local API use them. */
export interface DaemonParts {
  readonly version: string;
  readonly home: Home;
  readonly identity: DeviceIdentity;
  readonly ownDevice: DeviceKey;
  readonly startedAtMs: number;
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly settings: Settings;
  readonly devices: PairedDevices;
  readonly folders: SharedFolderSet;
  readonly orchestrator: Orchestrator;
  readonly tickets: TicketBook;
  readonly pairing: PairingService;
  readonly pairingEvents: PairingEvents;
  /** Offers pairing for as long as a ticket is open. */
  readonly refreshPairing: () => void;
  readonly notices: () => readonly string[];
  readonly requestStop: () => void;
}

/** What happens to invitations, for those who follow them. */
export class PairingEvents {
  private readonly listeners = new Set<(event: PairingEvent) => void>();

  emit(event: PairingEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  listen(listener: (event: PairingEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export type PairingEvent =
  | { readonly type: 'paired'; readonly peer: PairedPeer; readonly ticketId: string }
  | { readonly type: 'wrong-proof'; readonly from: string };
