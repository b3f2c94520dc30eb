import type { SharedFolder, SharedFolders } from '../config/shared-folders.js';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import type { Clock } from '../core/ports/clock.js';
import type { FolderEvents } from '../sync/folder-runner.js';
import type { Orchestrator } from '../sync/orchestrator.js';
import type { AssembledFolder, FolderPlace } from './folder-assembly.js';

export interface SharedFolderSetDependencies {
  readonly store: SharedFolders;
  readonly orchestrator: Orchestrator;
  readonly clock: Clock;
  readonly assemble: (place: FolderPlace, events: FolderEvents) => AssembledFolder;
  /** Makes `.landropic/` in a folder that is shared from now on. */
  readonly markRoot: (path: string) => void;
  readonly forgetIndex: (id: FolderId) => void;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

/** A folder as it is configured, and at work unless something keeps it from it. */
export interface FolderAtWork {
  setting: SharedFolder;
  assembled: AssembledFolder | undefined;
  /** Why it is not at work. */
  problem: Problem | undefined;
}

const REOPEN_MS = 10_000;

/** The folders of this device: opened at start, added, shared with more devices, removed. */
export class SharedFolderSet {
  private readonly folders = new Map<FolderId, FolderAtWork>();
  /** Folders that are no longer shared and not closed yet. */
  private readonly leaving = new Map<FolderId, Promise<void>>();
  private readonly noticeTexts: string[] = [];
  private cancelRetry: (() => void) | undefined;
  private stopped = false;

  constructor(private readonly deps: SharedFolderSetDependencies) {}

  start(): void {
    for (const setting of this.deps.store.list()) this.open(setting);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelRetry?.();
    const closing = [...this.folders.values()].map(({ assembled }) => assembled?.close());
    await Promise.all([...closing, ...this.leaving.values()]);
  }

  list(): readonly FolderAtWork[] {
    return [...this.folders.values()];
  }

  get(id: FolderId): FolderAtWork | undefined {
    return this.folders.get(id);
  }

  notices(): readonly string[] {
    return this.noticeTexts;
  }

  /** Shares a folder that was not shared before. Throws ConfigError. */
  async add(setting: SharedFolder): Promise<FolderAtWork> {
    // One of the same ID may still be on its way out, and its index with it.
    await this.leaving.get(setting.id);
    this.deps.markRoot(setting.path);
    this.deps.store.add(setting);
    return this.open(setting);
  }

  /** Shares it with these devices, and no others. */
  share(id: FolderId, sharedWith: readonly DeviceKey[]): void {
    const folder = this.folders.get(id);
    if (folder === undefined) return;
    folder.setting = this.deps.store.update(id, { sharedWith });
    this.deps.orchestrator.announceFolder(id);
  }

  /** Exchanges nothing of it, or goes on; also after a restart. */
  setPaused(id: FolderId, paused: boolean): void {
    const folder = this.folders.get(id);
    if (folder === undefined) return;
    folder.setting = this.deps.store.update(id, { paused });
    folder.assembled?.runner.setPaused(paused);
    this.deps.orchestrator.pauseFolder(id, paused);
  }

  /** Tells the device that its offer is not wanted, and does not show it again. */
  decline(folder: FolderId, device: DeviceKey): void {
    this.deps.store.decline({ folder, device });
    this.deps.orchestrator.declineOffer(folder, device);
  }

  isDeclined(folder: FolderId, device: DeviceKey): boolean {
    return this.deps.store.isDeclined({ folder, device });
  }

  /** Takes a device out of every folder. */
  forgetDevice(device: DeviceKey): void {
    this.deps.store.forgetDevice(device);
    for (const folder of this.folders.values())
      folder.setting = this.deps.store.get(folder.setting.id) ?? folder.setting;
  }

  /** Ends the sharing. The files stay as they are. */
  async remove(id: FolderId): Promise<void> {
    const folder = this.folders.get(id);
    if (folder === undefined) return;
    this.deps.store.remove(id);
    this.deps.orchestrator.removeFolder(id);
    this.folders.delete(id);
    const left = this.leave(folder);
    this.leaving.set(id, left);
    await left;
  }

  private async leave({ setting: { id }, assembled }: FolderAtWork): Promise<void> {
    try {
      await assembled?.close();
      this.deps.forgetIndex(id);
    } catch (error) {
      this.deps.log.error({ folder: id, err: error }, 'a folder that is no longer shared is not closed');
    } finally {
      this.leaving.delete(id);
    }
  }

  private open(setting: SharedFolder): FolderAtWork {
    const { id } = setting;
    const folder: FolderAtWork = this.folders.get(id) ?? {
      setting,
      assembled: undefined,
      problem: undefined,
    };
    this.folders.set(id, folder);
    try {
      const assembled = this.deps.assemble(folder.setting, this.eventsOf(id));
      folder.assembled = assembled;
      folder.problem = undefined;
      this.noteRebuilt(setting, assembled);
      this.deps.orchestrator.addFolder({
        id,
        runner: assembled.runner,
        disk: assembled.disk,
        sharedWith: (device) => folder.setting.sharedWith.includes(device),
      });
      assembled.runner.start().catch((error: unknown) => this.startFailed(folder, error));
    } catch (error) {
      this.startFailed(folder, error);
    }
    return folder;
  }

  private startFailed(folder: FolderAtWork, error: unknown): void {
    if (this.stopped || this.folders.get(folder.setting.id) !== folder) return;
    const text = error instanceof Error ? error.message : String(error);
    this.deps.log.error({ folder: folder.setting.id, err: error }, 'folder cannot be opened');
    folder.problem = { path: '', code: 'io-error', text };
    this.deps.orchestrator.removeFolder(folder.setting.id);
    const { assembled } = folder;
    folder.assembled = undefined;
    assembled?.close().catch(() => {});
    this.cancelRetry?.();
    this.cancelRetry = this.deps.clock.after(REOPEN_MS, () => this.reopen());
  }

  private reopen(): void {
    for (const folder of this.folders.values()) if (folder.problem !== undefined) this.open(folder.setting);
  }

  private eventsOf(id: FolderId): FolderEvents {
    return {
      ready: () => {
        this.deps.log.info({ folder: id }, 'folder is ready');
        this.deps.orchestrator.announceFolder(id);
      },
      wrongBytes: (device) => this.deps.orchestrator.noteWrongBytes(device, id),
      failed: (what, error) => this.deps.log.error({ folder: id, err: error }, `${what} failed`),
    };
  }

  private noteRebuilt(setting: SharedFolder, { rebuilt }: AssembledFolder): void {
    if (rebuilt === undefined) return;
    const aside = rebuilt.setAsideAs === undefined ? '' : ` The old one is kept as ${rebuilt.setAsideAs}.`;
    this.noticeTexts.push(
      `The index of folder ${setting.label} was damaged (${rebuilt.reason}) and is made anew from its files.${aside}`,
    );
    this.deps.log.warn({ folder: setting.id, ...rebuilt }, 'index was damaged and is made anew');
  }
}
