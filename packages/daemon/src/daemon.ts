import { randomBytes } from 'node:crypto';
import { type DeviceId, type DeviceIdentity, parseDeviceId, TicketBook } from '@landropic/crypto';
import {
  type Connection,
  createLoopUtilisation,
  createQuicEndpoint,
  type Endpoint,
  PeerConnector,
  type SocketAddress,
} from '@landropic/quic';
import { blake3 as blake3Hash } from '@napi-rs/blake-hash';
import { assembleFolder } from './assembly/folder-assembly.js';
import { verifyDevice, verifyIncoming } from './assembly/peer-verification.js';
import { SharedFolderSet } from './assembly/shared-folder-set.js';
import { systemClock as clock } from './assembly/system-clock.js';
import { type Home, indexFileOf } from './config/home.js';
import type { Settings } from './config/settings.js';
import type { SharedFolders } from './config/shared-folders.js';
import { SharedBudget } from './core/history/shared-budget.js';
import type { DeviceKey } from './core/model/identifiers.js';
import { ALPN, CloseCode, PAIRING_ALPN } from './core/wire/frame-types.js';
import { toHex } from './core/wire/hex.js';
import type { Discovery } from './discovery/discovery.js';
import { AddressWatch } from './discovery/network-addresses.js';
import { DiskThreads } from './folder/posix-disk/disk-threads.js';
import { createArea } from './folder/posix-disk/posix-folder-disk.js';
import { type DaemonParts, PairingEvents } from './handlers/daemon-parts.js';
import { createHandlers } from './handlers/handlers.js';
import { removeIndexFiles } from './index/open-content-index.js';
import { type LocalApi, startLocalApi } from './local-api/server.js';
import { LogLimiter } from './observability/log-limiter.js';
import type { Log } from './observability/logger.js';
import { Orchestrator } from './sync/orchestrator.js';
import { PairingService } from './sync/pairing-service.js';
import { ChunkClient } from './transfer/chunk-client.js';
import { ChunkServer } from './transfer/chunk-server.js';
import type { PairedDevices } from './trust/paired-devices.js';
import { VERSION } from './version.js';

export interface DaemonDependencies {
  readonly home: Home;
  readonly identity: DeviceIdentity;
  readonly settings: Settings;
  readonly devices: PairedDevices;
  readonly sharedFolders: SharedFolders;
  readonly discovery: Discovery;
  readonly log: Log;
  readonly requestStop: () => void;
}

export interface DaemonOptions {
  readonly listen: SocketAddress;
}

const SESSION_ID_BYTES = 16;
const MAX_WRONG_PROOF_NOTICES = 100;
const SEEN_AGAIN_MS = 60_000;
const blake3 = (bytes: Uint8Array): Uint8Array => blake3Hash(bytes);

/** The composition root: builds every part, joins them, starts them, and stops them in reverse. */
export class Daemon {
  private readonly bootId = randomHex(SESSION_ID_BYTES);
  private readonly startedAtMs = clock.nowMs();
  private readonly ownDevice: DeviceKey;
  private readonly tickets: TicketBook;
  private readonly pairingEvents = new PairingEvents();
  private readonly wrongProofs = new Set<string>();
  private readonly stops: (() => Promise<unknown> | unknown)[] = [];
  private cancelPairingEnd: (() => void) | undefined;

  constructor(
    private readonly deps: DaemonDependencies,
    private readonly options: DaemonOptions,
  ) {
    this.ownDevice = keyOf(deps.identity.deviceId);
    this.tickets = new TicketBook({ now: clock.monotonicMs, randomBytes }, {});
  }

  /** Returns once the local API answers and the network is listened on. Folders come up behind it. */
  async start(): Promise<{ readonly listen: SocketAddress }> {
    const { identity, devices } = this.deps;
    const endpoint = await createQuicEndpoint({
      listen: this.options.listen,
      credentials: identity,
      verifyPeer: verifyIncoming(identity.deviceId, (id) => devices.isPaired(id)),
      identification: { closeCode: CloseCode.protocolError },
    });
    this.stops.push(() => endpoint.close(CloseCode.shuttingDown, 'shutting down'));
    try {
      await this.join(endpoint);
    } catch (error) {
      await this.stop();
      throw error;
    }
    return { listen: endpoint.localAddress };
  }

  async stop(): Promise<void> {
    this.cancelPairingEnd?.();
    for (const stop of this.stops.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        this.deps.log.error({ err: error }, 'stopping a part failed');
      }
    }
  }

  private async join(endpoint: Endpoint): Promise<void> {
    const orchestrator = this.createOrchestrator(endpoint);
    const folders = this.createFolders(orchestrator);
    const pairing = this.createPairing(endpoint, orchestrator);
    const parts: DaemonParts = {
      version: VERSION,
      home: this.deps.home,
      identity: this.deps.identity,
      ownDevice: this.ownDevice,
      startedAtMs: this.startedAtMs,
      clock,
      endpoint,
      settings: this.deps.settings,
      devices: this.deps.devices,
      folders,
      orchestrator,
      tickets: this.tickets,
      pairing,
      pairingEvents: this.pairingEvents,
      refreshPairing: () => this.refreshPairing(endpoint),
      notices: () => this.notices(),
      requestStop: this.deps.requestStop,
    };
    const api = await startLocalApi({
      socketPath: this.deps.home.socketPath,
      handlers: createHandlers(parts),
      log: this.deps.log,
    });
    this.startParts(endpoint, orchestrator, folders, pairing, api);
  }

  private notices(): readonly string[] {
    const discovery = this.deps.discovery.problem();
    const wrong = [...this.wrongProofs].map((from) => `Wrong pairing proofs came from ${from}.`);
    return discovery === undefined ? wrong : [...wrong, discovery];
  }

  private startParts(
    endpoint: Endpoint,
    orchestrator: Orchestrator,
    folders: SharedFolderSet,
    pairing: PairingService,
    api: LocalApi,
  ): void {
    const { discovery, log } = this.deps;
    endpoint.onConnection((connection) => this.accept(connection, orchestrator, pairing));
    const refusals = new LogLimiter(clock.monotonicMs);
    endpoint.onRejected((event) => {
      const heldBack = refusals.admit(event.remote.host);
      if (heldBack !== undefined) log.warn({ ...event, heldBack }, 'connection refused');
    });
    this.refreshPairing(endpoint);
    folders.start();
    orchestrator.start();
    discovery.onDeviceFound(({ deviceId, addresses }) => orchestrator.found(deviceId, addresses));
    discovery.setAnnouncement({ deviceId: this.ownDevice, port: endpoint.localAddress.port });
    discovery.start();
    const addresses = new AddressWatch({ clock });
    addresses.onAddressesChanged(() => {
      endpoint.refreshPaths();
      discovery.refresh();
      orchestrator.networkChanged();
    });
    addresses.start();
    // Stopped in reverse: nobody new comes in, sessions say goodbye, then folders finish what they are writing.
    this.stops.push(
      () => folders.stop(),
      () => orchestrator.stop(),
      () => pairing.stop(),
      () => addresses.stop(),
      () => discovery.stop(),
      () => api.stop(),
    );
  }

  private accept(connection: Connection, orchestrator: Orchestrator, pairing: PairingService): void {
    if (connection.alpn === PAIRING_ALPN) pairing.accept(connection);
    else orchestrator.accept(connection.peer.key as DeviceKey, connection);
  }

  private createOrchestrator(endpoint: Endpoint): Orchestrator {
    const { devices, identity, settings, log } = this.deps;
    return new Orchestrator({
      ownDevice: this.ownDevice,
      identity: () => ({
        bootId: this.bootId,
        name: settings.value('name'),
        software: `landropic ${VERSION}`,
      }),
      clock,
      newSessionId: () => randomHex(SESSION_ID_BYTES),
      devices: {
        get: (device) => toKnown(devices.get(device)),
        list: () => devices.list().flatMap((device) => toKnown(device) ?? []),
        seen: (device, name, address) => this.noteSeen(device, name, address),
      },
      createConnector: (device, onConnection, onFailed) =>
        new PeerConnector(
          {
            endpoint,
            alpn: ALPN,
            verifyPeer: verifyDevice(identity.deviceId, device as string as DeviceId),
            // A wall clock that is set back must not hold up dialling.
            clock: { nowMs: clock.monotonicMs, after: clock.after },
            random: Math.random,
          },
          { addresses: [], onConnection, onAttemptFailed: onFailed },
        ),
      connect: (device, address, signal) =>
        endpoint.connect(address, {
          alpn: ALPN,
          verifyPeer: verifyDevice(identity.deviceId, device as string as DeviceId),
          signal,
        }),
      random: Math.random,
      createLoopUtilisation,
      createExchange: (connection, sourceFor, onFailure) => {
        const server = new ChunkServer({
          clock,
          sourceFor: (folder) => {
            const shared = sourceFor(folder);
            return (
              shared && {
                disk: shared.disk,
                locate: (hash, limit) => shared.runner.index.heldChunk(hash, limit),
              }
            );
          },
        });
        return {
          client: new ChunkClient({ connection, clock, onFailure }),
          serve: (stream, first) => server.serve(stream, first),
          serving: () => server.serving,
        };
      },
      log,
    });
  }

  /** Where and when a device was reached; not written again for one that comes and goes. */
  private noteSeen(device: DeviceKey, name: string, address: SocketAddress): void {
    const { devices, log } = this.deps;
    const known = devices.get(device);
    const [first] = known?.addresses ?? [];
    const isSame = first?.host === address.host && first.port === address.port;
    if (isSame && clock.nowMs() - (known?.lastSeenMs ?? 0) < SEEN_AGAIN_MS) return;
    try {
      devices.noteSeen(device, { atMs: clock.nowMs(), address, name });
    } catch (error) {
      log.warn({ device, err: error }, 'where a device was seen cannot be stored');
    }
  }

  private createFolders(orchestrator: Orchestrator): SharedFolderSet {
    const { home, settings, sharedFolders, log } = this.deps;
    const diskThreads = new DiskThreads();
    const historyBudget = new SharedBudget();
    this.stops.push(() => diskThreads.close());
    return new SharedFolderSet({
      store: sharedFolders,
      orchestrator,
      clock,
      assemble: (place, events) =>
        assembleFolder(
          place,
          {
            device: this.ownDevice,
            clock,
            blake3,
            indexFileOf: (id) => indexFileOf(home, id),
            diskThreads,
            rescanIntervalMs: () => settings.value('rescanIntervalSeconds') * 1000,
            historyBudget,
            historyLimits: () => ({
              keepDays: settings.value('history.keepDays'),
              maxPercent: settings.value('history.maxPercent'),
            }),
            massDelete: () => {
              const limits = settings.value('guard.massDelete');
              return limits === 'off' ? undefined : limits;
            },
          },
          events,
        ),
      markRoot: createArea,
      forgetIndex: (id) => removeIndexFiles(indexFileOf(home, id)),
      log,
    });
  }

  private createPairing(endpoint: Endpoint, orchestrator: Orchestrator): PairingService {
    const { identity, settings, devices, log } = this.deps;
    return new PairingService({
      clock,
      invitations: {
        isOpen: () => this.tickets.isOpen(),
        redeem: ({ ticketId, proof, accepter, fromAddress }) =>
          this.tickets.redeem({
            ticketId,
            proof,
            inviterId: identity.deviceId,
            accepterId: parseDeviceId(accepter),
            fromAddress,
          }),
      },
      ownName: () => settings.value('name'),
      listenPort: () => endpoint.localAddress.port,
      dial: (address, device, signal) => {
        const verifyPeer = verifyDevice(identity.deviceId, device as string as DeviceId);
        return endpoint.connect(address, { alpn: PAIRING_ALPN, verifyPeer, signal });
      },
      deviceOf: (connection) => connection.peer.key as DeviceKey,
      store: (peer) => {
        const { device, addresses } = peer;
        const { name } = devices.add({ id: device, name: peer.name, addresses, pairedAtMs: clock.nowMs() });
        const stored = { device, name, addresses };
        orchestrator.addDevice(stored);
        log.info({ device, name }, 'paired');
        return stored;
      },
      events: {
        redeemed: (peer, ticketId) =>
          this.pairingEvents.emit({ type: 'paired', peer, ticketId: toHex(ticketId) }),
        wrongProof: (from) => {
          if (this.wrongProofs.size < MAX_WRONG_PROOF_NOTICES) this.wrongProofs.add(from);
          this.pairingEvents.emit({ type: 'wrong-proof', from });
          log.warn({ from }, 'wrong pairing proof');
        },
        failed: (error) => log.error({ err: error }, 'a paired device cannot be stored'),
      },
    });
  }

  /** Pairing is offered on the network only while an invitation is open. */
  private refreshPairing(endpoint: Endpoint): void {
    endpoint.setAcceptedProtocols(this.tickets.isOpen() ? [ALPN, PAIRING_ALPN] : [ALPN]);
    this.cancelPairingEnd?.();
    const endsAt = this.tickets.nextExpiryMs();
    if (endsAt === undefined) return;
    this.cancelPairingEnd = clock.after(Math.max(0, endsAt - clock.monotonicMs()) + 10, () =>
      this.refreshPairing(endpoint),
    );
  }
}

function keyOf(id: DeviceId): DeviceKey {
  return id as string as DeviceKey;
}

function toKnown(device: ReturnType<PairedDevices['get']>) {
  return device && { device: device.id, name: device.name, addresses: device.addresses };
}

function randomHex(byteCount: number): string {
  return randomBytes(byteCount).toString('hex');
}
