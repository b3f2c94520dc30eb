import type { CloseInfo, Connection, SocketAddress } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { Presence } from '../core/session/peer-presence.js';
import { CloseCode } from '../core/wire/frame-types.js';
import type { FolderState } from '../core/wire/frames.js';
import { DeviceProblems, type SyncLog } from './device-problems.js';
import type { LinkedFolder } from './folder-link.js';
import type { FolderRunner } from './folder-runner.js';
import { type Connector, PeerLink, type SessionOfLink } from './peer-link.js';
import { type ChunkExchange, PeerSession, type SessionIdentity } from './peer-session.js';
import { plainText } from './plain-text.js';

export interface KnownDevice {
  readonly device: DeviceKey;
  readonly name: string;
  /** Newest first. */
  readonly addresses: readonly SocketAddress[];
}

/** The paired devices, as the trust adapter keeps them. */
export interface DeviceBook {
  get(device: DeviceKey): KnownDevice | undefined;
  list(): readonly KnownDevice[];
  /** The device was reached at this address, and calls itself that. */
  seen(device: DeviceKey, name: string, address: SocketAddress): void;
}

export interface FolderOffer {
  readonly folder: FolderId;
  readonly label: string;
  readonly device: DeviceKey;
  /** Where the device's index of it stood then. */
  readonly sequence: number;
}

export interface OrchestratorDependencies {
  readonly ownDevice: DeviceKey;
  readonly identity: () => SessionIdentity;
  readonly clock: Clock;
  readonly devices: DeviceBook;
  readonly newSessionId: () => string;
  readonly createConnector: (
    device: DeviceKey,
    onConnection: (connection: Connection) => void,
    onFailed: (error: unknown) => void,
  ) => Connector;
  /** Dials this device and no other. */
  readonly connect: (device: DeviceKey, address: SocketAddress, signal: AbortSignal) => Promise<Connection>;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Each call of what it gives: the share of time, 0 to 1, that the event loop was busy since the call before. */
  readonly createLoopUtilisation: () => () => number;
  /** The chunk side of one connection; `sourceFor` says what this device may be served from. */
  readonly createExchange: (
    connection: Connection,
    sourceFor: (folder: FolderId) => SharedFolder | undefined,
    onFailure: (error: unknown) => void,
  ) => ChunkExchange;
  readonly log: SyncLog;
}

/** A folder at work, and whom it is shared with. */
export interface SharedFolder {
  readonly id: FolderId;
  readonly runner: FolderRunner;
  readonly disk: Pick<FolderDisk, 'readChunks'>;
  sharedWith(device: DeviceKey): boolean;
}

const MAX_OFFERS = 1_024;
/** The first round trip that `status` shows. */
const FIRST_PING_MS = 5_000;
/** Close codes by which a peer says that it cannot work with us. */
const REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.handshakeFailed,
  CloseCode.protocolError,
  CloseCode.limitExceeded,
]);

/** Joins devices and folders: a session for every paired device, and every shared folder on the sessions it belongs to. */
export class Orchestrator {
  private readonly links = new Map<DeviceKey, PeerLink>();
  private readonly folders = new Map<FolderId, SharedFolder>();
  private readonly offersByDevice = new Map<DeviceKey, Map<FolderId, FolderOffer>>();
  /** Folders that a device has shared with us in this run and shares no more. */
  private readonly withdrawnByDevice = new Map<DeviceKey, Set<FolderId>>();
  /** Offered folders that are looked at before they are taken. */
  private readonly previews = new Map<
    FolderId,
    { readonly device: DeviceKey; readonly folder: LinkedFolder }
  >();
  private readonly problems: DeviceProblems;
  private readonly lastSeen = new Map<DeviceKey, number>();

  constructor(private readonly deps: OrchestratorDependencies) {
    this.problems = new DeviceProblems(deps.clock, deps.log);
  }

  start(): void {
    for (const device of this.deps.devices.list()) this.addDevice(device);
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.links.values()].map((link) => link.stop(CloseCode.shuttingDown, 'shutting down')),
    );
    this.links.clear();
  }

  // ---- devices

  /** A device that was paired, or paired again: then it is tried at once, at what is known of it now. */
  addDevice(known: KnownDevice): void {
    const { device, addresses } = known;
    const before = this.links.get(device);
    if (before !== undefined) {
      before.setAddresses(addresses, { fresh: true });
      before.kick();
      return;
    }
    const link = new PeerLink({
      device,
      ownDevice: this.deps.ownDevice,
      clock: this.deps.clock,
      createConnector: (onConnection, onFailed) => this.deps.createConnector(device, onConnection, onFailed),
      connect: (address, signal) => this.deps.connect(device, address, signal),
      random: this.deps.random,
      createLoopUtilisation: this.deps.createLoopUtilisation,
      createSession: (connection, ofLink) => this.createSession(device, connection, ofLink),
      events: {
        up: (session) => this.linkUp(device, session),
        down: (info) => this.linkDown(device, info),
        notReached: (info) => this.problems.write('info', device, info, 'not connected'),
      },
    });
    this.links.set(device, link);
    link.start(addresses);
  }

  /** Cuts the device off at once. It must be unknown to the device book by then. */
  async removeDevice(device: DeviceKey): Promise<void> {
    const link = this.links.get(device);
    this.links.delete(device);
    const stopped = link?.stop(CloseCode.notPaired, 'not paired');
    this.offersByDevice.delete(device);
    this.withdrawnByDevice.delete(device);
    this.lastSeen.delete(device);
    this.problems.forget(device);
    for (const { runner } of this.folders.values()) runner.receipts.forget(device);
    await stopped;
  }

  /** A connection that a paired device has dialled. */
  accept(device: DeviceKey, connection: Connection): void {
    const link = this.links.get(device);
    if (link === undefined) void connection.close(CloseCode.notPaired, 'not paired');
    else link.adopt(connection);
  }

  /** A device was found at these addresses, now. */
  found(device: DeviceKey, addresses: readonly SocketAddress[]): void {
    const known = this.deps.devices.get(device)?.addresses ?? [];
    this.links.get(device)?.setAddresses(mergeAddresses(addresses, known), { fresh: true });
  }

  /** This machine's own addresses have changed: everybody is tried again. */
  networkChanged(): void {
    for (const link of this.links.values()) link.kick();
  }

  link(device: DeviceKey): PeerLink | undefined {
    return this.links.get(device);
  }

  /** What is wrong with a device, for a person. */
  problemOf(device: DeviceKey): string | undefined {
    const link = this.links.get(device);
    const info = link?.closeInfo;
    if (info?.by === 'peer' && info.code === CloseCode.notPaired)
      return 'does not know us: pair again, or unpair it here';
    const own = this.problems.of(device, link?.upForMs);
    if (own === undefined && info?.by === 'peer' && info.code !== undefined && REFUSALS.has(info.code))
      return `ended the connection: ${plainText(info.reason)}`;
    return own;
  }

  lastSeenMs(device: DeviceKey): number | undefined {
    return this.links.get(device)?.session === undefined
      ? this.lastSeen.get(device)
      : this.deps.clock.nowMs();
  }

  // ---- folders

  addFolder(folder: SharedFolder): void {
    this.folders.set(folder.id, folder);
    this.announceFolder(folder.id);
  }

  /** Tells the sessions of all who share it: it is ready now, or shared with more devices. */
  announceFolder(id: FolderId): void {
    for (const [device, link] of this.links) {
      if (this.folders.get(id)?.sharedWith(device)) link.session?.folders.announce(id);
    }
  }

  removeFolder(id: FolderId): void {
    for (const link of this.links.values()) link.session?.folders.remove(id);
    for (const withdrawn of this.withdrawnByDevice.values()) withdrawn.delete(id);
    this.folders.delete(id);
  }

  /** The folder was paused, or goes on: every session that carries it says so. */
  pauseFolder(id: FolderId, paused: boolean): void {
    for (const link of this.links.values()) link.session?.folders.pause(id, paused);
  }

  /** True while the device has said that it takes nothing of the folder for now. */
  isPausedThere(id: FolderId, device: DeviceKey): boolean {
    return this.links.get(device)?.session?.folders.isPausedThere(id) ?? false;
  }

  /** Folders that devices share with us, and we do not share with them. */
  offers(): readonly FolderOffer[] {
    return [...this.offersByDevice.values()].flatMap((offers) =>
      [...offers.values()].filter(({ folder, device }) => !this.folders.get(folder)?.sharedWith(device)),
    );
  }

  /**
   * Exchanges an offered folder with what stands in for it, until {@link endPreview}. False while there is no session, or
   * where the folder is shared or looked at already.
   */
  startPreview(
    { folder: id, device }: Pick<FolderOffer, 'folder' | 'device'>,
    folder: LinkedFolder,
  ): boolean {
    const session = this.links.get(device)?.session;
    if (session === undefined || this.folders.has(id) || this.previews.has(id)) return false;
    this.previews.set(id, { device, folder });
    session.folders.announce(id);
    return true;
  }

  /** It is an offer again. */
  endPreview({ folder: id, device }: Pick<FolderOffer, 'folder' | 'device'>): void {
    if (this.previews.get(id)?.device !== device) return;
    this.links.get(device)?.session?.folders.remove(id);
    this.previews.delete(id);
  }

  /** Tells the device that a folder which it offers is not wanted. It may offer it again. */
  declineOffer(id: FolderId, device: DeviceKey): void {
    this.offersByDevice.get(device)?.delete(id);
    this.links.get(device)?.session?.folders.decline(id);
  }

  /** True once the device has said that it no longer shares the folder with us. */
  isWithdrawn(id: FolderId, device: DeviceKey): boolean {
    return this.withdrawnByDevice.get(device)?.has(id) ?? false;
  }

  /** True while both sides share the folder and a session carries it. */
  isExchanging(id: FolderId, device: DeviceKey): boolean {
    return this.links.get(device)?.session?.folders.isOpen(id) ?? false;
  }

  /** What the device says of itself; `offline` while there is no session with it. */
  presenceOf(device: DeviceKey): Presence {
    return this.links.get(device)?.session?.presence ?? 'offline';
  }

  noteWrongBytes(device: DeviceKey, folder: FolderId): void {
    this.problems.note(device, `sent content that does not match its hash (folder ${folder})`);
  }

  // ---- sessions

  private createSession(
    device: DeviceKey,
    connection: Connection,
    { connectionRole, established, retired, spread }: SessionOfLink,
  ): PeerSession {
    return new PeerSession({
      connection,
      device,
      clock: this.deps.clock,
      identity: this.deps.identity(),
      sessionId: this.deps.newSessionId(),
      sharedFolders: () => this.sharedWith(device),
      exchange: (onFailure) =>
        this.deps.createExchange(connection, (id) => this.servable(device, id), onFailure),
      connectionRole,
      spread,
      random: this.deps.random,
      refuse: () =>
        this.deps.devices.get(device) === undefined
          ? { code: CloseCode.notPaired, reason: 'not paired' }
          : undefined,
      events: {
        established,
        retired,
        offered: (_, states) => this.offered(device, states),
        shared: (_, folder) => this.withdrawnByDevice.get(device)?.delete(folder),
        withdrawn: (_, folder) => this.withdrawn(device, folder),
        violated: (_, text) =>
          this.problems.note(device, `was disconnected: ${text}`, { address: connection.remoteAddress }),
        reported: (_, text) => this.problems.note(device, `reported an error: ${text}`),
        failed: (_, error) => this.problems.write('error', device, { err: error }, 'a session failed here'),
      },
    });
  }

  private linkUp(device: DeviceKey, session: PeerSession): void {
    const { connection, peer } = session;
    const { remoteAddress: address, role } = connection;
    // It tells anew what it offers.
    this.offersByDevice.delete(device);
    this.lastSeen.set(device, this.deps.clock.nowMs());
    // One socket dials and accepts, so where a device's packets come from is where it can be reached.
    this.deps.devices.seen(device, peer?.name ?? '', address);
    this.problems.write('info', device, { address, role }, 'connected');
    session.ping(FIRST_PING_MS).catch(() => {});
  }

  private linkDown(device: DeviceKey, info: CloseInfo): void {
    this.lastSeen.set(device, this.deps.clock.nowMs());
    this.problems.write('info', device, info, 'disconnected');
  }

  private sharedWith(device: DeviceKey): ReadonlyMap<FolderId, LinkedFolder> {
    const shared = new Map<FolderId, LinkedFolder>();
    for (const [id, preview] of this.previews) if (preview.device === device) shared.set(id, preview.folder);
    for (const [id, folder] of this.folders) if (folder.sharedWith(device)) shared.set(id, folder.runner);
    return shared;
  }

  private servable(device: DeviceKey, id: FolderId): SharedFolder | undefined {
    const folder = this.folders.get(id);
    return folder?.sharedWith(device) && this.isExchanging(id, device) ? folder : undefined;
  }

  private withdrawn(device: DeviceKey, folder: FolderId): void {
    this.offersByDevice.get(device)?.delete(folder);
    if (!this.folders.get(folder)?.sharedWith(device)) return;
    const withdrawn = this.withdrawnByDevice.get(device) ?? new Set();
    this.withdrawnByDevice.set(device, withdrawn.add(folder));
  }

  private offered(device: DeviceKey, states: readonly FolderState[]): void {
    const offers = this.offersByDevice.get(device) ?? new Map<FolderId, FolderOffer>();
    this.offersByDevice.set(device, offers);
    for (const { folder, label, sequence } of states) {
      if (offers.size < MAX_OFFERS) offers.set(folder, { folder, label, device, sequence });
    }
  }
}

function mergeAddresses(
  first: readonly SocketAddress[],
  then: readonly SocketAddress[],
): readonly SocketAddress[] {
  const seen = new Set<string>();
  return [...first, ...then].filter(({ host, port }) => {
    const key = `${host}|${port}`;
    return !seen.has(key) && seen.add(key);
  });
}
