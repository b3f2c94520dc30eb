import type { DeviceKey, FolderId } from '../../packages/daemon/src/core/model/identifiers.js';
import { type DirectoryPath, parentOf } from '../../packages/daemon/src/core/model/relative-path.js';
import type { Clock } from '../../packages/daemon/src/core/ports/clock.js';
import { FolderApplier } from '../../packages/daemon/src/folder/applier.js';
import { HistoryWatch } from '../../packages/daemon/src/folder/history-watch.js';
import { FolderScanner } from '../../packages/daemon/src/folder/scanner.js';
import { MemoryIndex } from '../../packages/daemon/src/index/memory-index.js';
import { FolderRunner } from '../../packages/daemon/src/sync/folder-runner.js';
import type { MemoryDevice, MemoryDevices } from '../../packages/daemon/src/sync/memory-devices.fixture.js';
import { type KnownDevice, Orchestrator } from '../../packages/daemon/src/sync/orchestrator.js';
import { ChunkClient } from '../../packages/daemon/src/transfer/chunk-client.js';
import { ChunkServer } from '../../packages/daemon/src/transfer/chunk-server.js';
import { fileSync } from '../../packages/quic/src/transport-profile.js';
import type { Chance } from './chance.js';
import { MemoryFileSystem, type PowerLoss } from './memory-file-system.js';
import { type DiskEvents, GONE, MemoryFolderDisk } from './memory-folder-disk.js';
import { AREA, hashOfBytes } from './memory-places.js';
import { SimulatedConnector } from './simulated-connector.js';

const FOLDER = 'folder' as FolderId;
/** A peer that is gone without a word is noticed after this long. */
const IDLE_MS = 1_500;
const PROFILE = { ...fileSync, idleTimeoutMs: IDLE_MS, keepAliveMs: 500 };

export interface DeviceEvents {
  /** See {@link DiskEvents}. */
  at(device: SimulatedDevice, moment: 'before' | 'after', call: string, path: string): string | undefined;
  failed(device: SimulatedDevice, what: string, error: unknown): void;
}

export interface DeviceOptions {
  readonly id: string;
  readonly chance: Chance;
  /** How far its wall clock is from the others', ms. */
  readonly skewMs: number;
  readonly granularityNs: bigint;
  /** Share of hints of its watcher that are lost. */
  readonly lostHints: number;
}

/** What is only there while the daemon runs. */
interface Process {
  readonly disk: MemoryFolderDisk;
  readonly network: MemoryDevice;
  readonly runner: FolderRunner;
  readonly history: HistoryWatch;
  readonly orchestrator: Orchestrator;
  isGone: boolean;
}

/** One device: a disk and an index that outlive its daemon, and the daemon, which can be stopped and killed. */
export class SimulatedDevice {
  readonly files: MemoryFileSystem;
  skewMs: number;
  index: MemoryIndex;
  peers: readonly string[] = [];
  private process: Process | undefined;
  private stopping: Process | undefined;
  /** Calls in one moment of the virtual time, which goes on only when everybody waits. */
  private calls = { atMs: 0, count: 0 };
  private allCalls = 0;
  private onHint: ((directory: DirectoryPath) => void) | undefined;

  constructor(
    private readonly world: MemoryDevices,
    private readonly options: DeviceOptions,
    private readonly events: DeviceEvents,
  ) {
    this.skewMs = options.skewMs;
    this.files = new MemoryFileSystem({ nowMs: () => this.nowMs(), granularityNs: options.granularityNs });
    for (const path of [AREA, `${AREA}/tmp`, `${AREA}/history`]) this.files.makeDirectory(path, 0o700);
    this.files.flushAll();
    this.index = this.newIndex();
  }

  get id(): string {
    return this.options.id;
  }

  get isRunning(): boolean {
    return this.process !== undefined;
  }

  get isIdle(): boolean {
    return this.process === undefined || this.process.runner.activity() === 'idle';
  }

  nowMs(): number {
    return this.world.clock.nowMs() + this.skewMs;
  }

  newIndex(): MemoryIndex {
    return new MemoryIndex(FOLDER, (count) => this.options.chance.bytes(count));
  }

  start(): void {
    if (this.process !== undefined) return;
    const process = this.createProcess();
    this.process = process;
    process.orchestrator.start();
    process.runner.start().catch((error: unknown) => {
      if (!process.isGone) this.events.failed(this, 'starting', error);
    });
  }

  /** As a person stops it: it says goodbye and finishes what it is writing. */
  async stop(): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    this.process = undefined;
    this.stopping = process;
    this.onHint = undefined;
    const stopping = process.orchestrator
      .stop()
      .then(() => process.runner.stop())
      .then(() => process.history.stop());
    let isDone = false;
    stopping.then(
      () => {
        isDone = true;
      },
      (error: unknown) => {
        isDone = true;
        this.events.failed(this, 'stopping', error);
      },
    );
    for (let waited = 0; !isDone && !process.isGone && waited < STOP_MS; waited += STOP_STEP_MS) {
      await this.world.advance(STOP_STEP_MS);
    }
    if (!isDone && !process.isGone) this.events.failed(this, 'stopping', new Error('it takes too long'));
    this.stopping = undefined;
    this.end(process);
  }

  /** Killed: nothing that it had begun goes on, and what it had written to the disk stays. */
  kill(): void {
    const process = this.process ?? this.stopping;
    this.process = undefined;
    this.stopping = undefined;
    this.onHint = undefined;
    if (process !== undefined) this.end(process);
  }

  losePower(loss: PowerLoss): { readonly names: number; readonly contents: number } {
    this.kill();
    return this.files.losePower(loss);
  }

  /** A person changed something in this directory. */
  hint(directory: string): void {
    if (this.options.chance.next() < this.options.lostHints) return;
    this.onHint?.(directory as DirectoryPath);
  }

  /** All of the folder is looked at. */
  async hintEverything(): Promise<void> {
    await this.process?.runner.rescan(new AbortController().signal);
  }

  /** What the daemon has announced: the same as long as nothing happens. */
  sequence(): number {
    return this.index.identity().sequence;
  }

  private end(process: Process): void {
    if (process.isGone) return;
    process.isGone = true;
    process.disk.abandon();
    process.network.endpoint.crash();
    // Whatever of it still runs writes to an index that nobody reads.
    this.index = this.index.clone();
  }

  private createProcess(): Process {
    const { index } = this;
    const state: { process?: Process } = {};
    const clock = this.clockOf(state);
    const diskEvents: DiskEvents = {
      at: (moment, call, path) => {
        this.countCall(`${call} ${path}`);
        return state.process?.isGone === true ? GONE : this.events.at(this, moment, call, path);
      },
    };
    const disk = new MemoryFolderDisk(this.files, diskEvents);
    const network = this.world.add(this.id, { profile: PROFILE });
    const orchestrator = this.createOrchestrator(network, clock, state);
    const randomBytes = (count: number) => this.options.chance.bytes(count);
    const failed = (what: string, error: unknown) => {
      if (state.process?.isGone !== true) this.events.failed(this, what, error);
    };
    const history = new HistoryWatch(
      { disk, clock, randomBytes },
      {
        onRescued: (path) => runner.lookAt(parentOf(path)),
        onFailed: (error) => failed('keeping an edit to a replaced file', error),
      },
    );
    const runner = new FolderRunner(
      {
        folder: FOLDER,
        device: this.id as DeviceKey,
        index,
        disk,
        scanner: new FolderScanner({ disk, held: index }),
        watcher: {
          start: async (onHint) => {
            this.onHint = onHint;
          },
          stop: async () => {},
        },
        applier: new FolderApplier({
          disk,
          log: index,
          clock,
          randomBytes,
          onDisplaced: (file) => history.add(file),
        }),
        clock,
        blake3: (bytes) => Buffer.from(hashOfBytes(bytes), 'hex'),
        events: {
          ready: () => orchestrator.announceFolder(FOLDER),
          wrongBytes: (device) => failed(`wrong bytes from ${device}`, undefined),
          failed,
        },
      },
      { label: 'folder', rescanIntervalMs: 60_000, unwatchedIntervalMs: 10_000 },
    );
    orchestrator.addFolder({ id: FOLDER, runner, disk, sharedWith: () => true });
    state.process = { disk, network, runner, history, orchestrator, isGone: false };
    return state.process;
  }

  private createOrchestrator(
    network: MemoryDevice,
    clock: Clock,
    state: { readonly process?: Process },
  ): Orchestrator {
    const { chance } = this.options;
    const known = (id: string): KnownDevice => {
      return { device: id as DeviceKey, name: id, addresses: [{ host: `host-${id}`, port: 4000 }] };
    };
    const bootId = Buffer.from(chance.bytes(16)).toString('hex');
    const orchestrator = new Orchestrator({
      ownDevice: this.id as DeviceKey,
      identity: () => ({ bootId, name: this.id, software: 'simulation' }),
      clock,
      devices: {
        get: (device) => (this.peers.includes(device) ? known(device) : undefined),
        list: () => this.peers.map(known),
        seen: () => {},
      },
      newSessionId: () => Buffer.from(chance.bytes(16)).toString('hex'),
      createConnector: (device, onConnection) => new SimulatedConnector(network, clock, device, onConnection),
      connect: () => Promise.reject(new Error('one connection is enough')),
      random: chance.next,
      createLoopUtilisation: () => () => 0,
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
      log: {
        info: () => {},
        warn: () => {},
        error: (fields, message) => {
          if (state.process?.isGone !== true) this.events.failed(this, message, fields);
        },
      },
    });
    network.endpoint.onConnection((connection) =>
      orchestrator.accept(connection.peer.key as DeviceKey, connection),
    );
    return orchestrator;
  }

  /** A clock whose timers end with the process. */
  private clockOf(state: { readonly process?: Process }): Clock {
    const { clock } = this.world;
    return {
      nowMs: () => this.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, callback) =>
        clock.after(delayMs, () => {
          if (state.process?.isGone === true) return;
          this.countCall('a timer');
          callback();
        }),
    };
  }

  /** A daemon that never waits would keep the virtual time from going on. */
  private countCall(what: string): void {
    const atMs = this.world.clock.monotonicMs();
    if (atMs !== this.calls.atMs) this.calls = { atMs, count: 0 };
    this.calls.count += 1;
    this.allCalls += 1;
    if (this.calls.count < MAX_CALLS_AT_ONCE && this.allCalls < MAX_CALLS) return;
    this.calls.count = 0;
    this.kill();
    this.events.failed(this, 'running', new Error(`it goes round and round, at last: ${what}`));
  }
}

const MAX_CALLS_AT_ONCE = 5_000;
/** In one history, which takes a few thousand. */
const MAX_CALLS = 60_000;
const STOP_MS = 20_000;
const STOP_STEP_MS = 50;
