import type { Content, FileEntry } from '../core/model/file-entry.js';
import { nameOf, parentOf } from '../core/model/relative-path.js';
import type { Recovered } from '../core/ports/applier.js';
import type { HistoryItem, Intent } from '../core/ports/content-index.js';
import type { DiskStep, FileStat, StepPath } from '../core/ports/folder-disk.js';
import type { ApplierDependencies } from './applier.js';
import { isAbsence } from './apply-failure.js';
import { isToBeVerified, NEW_PREFIX, partialName } from './area-names.js';
import { sameIdentity } from './posix-disk/stat-record.js';
import { UNSHARE_PREFIX } from './posix-disk/temp-steps.js';
import { putBack } from './put-back.js';
import { RecoveryError } from './recovery-error.js';
import { RootMissingError } from './root-missing-error.js';

/** What a crash left of one intent. */
interface Scene {
  readonly intent: Intent;
  /** What stands at the path. */
  readonly path: FileStat | undefined;
  readonly temp: FileStat | undefined;
  readonly displaced: FileStat | undefined;
  readonly copy: FileStat | undefined;
}

/**
 * Finishes or withdraws intents, by what is there. Whatever can be told to be done is finished; what was half-way goes
 * back to where it was, except where that would look like a person's deletion. A second run finds nothing else to do.
 */
export async function recoverIntents(dependencies: ApplierDependencies): Promise<readonly Recovered[]> {
  const recovery = new IntentRecovery(dependencies);
  const recovered: Recovered[] = [];
  for (const intent of dependencies.log.intents()) {
    const finished = await recovery.recover(intent);
    if (finished !== undefined) recovered.push(finished);
  }
  // Temps that were written and had no intent yet; the intents that are left need none any more.
  await dependencies.disk.run([[{ op: 'clear-temps', prefixes: [NEW_PREFIX, UNSHARE_PREFIX] }]]);
  return recovered;
}

class IntentRecovery {
  readonly #dependencies: ApplierDependencies;

  constructor(dependencies: ApplierDependencies) {
    this.#dependencies = dependencies;
  }

  async recover(intent: Intent): Promise<Recovered | undefined> {
    let scene = await this.#look(intent);
    if (scene.displaced !== undefined && !isAssumed(scene.displaced, intent)) {
      // Taken away before it was looked at: it is a change of a person's, and goes back first of all.
      await this.#giveBackDisplaced(scene);
      scene = await this.#look(intent);
    }
    if (await this.#isDone(scene)) return this.#finish(scene);
    if (mustGoForward(scene)) {
      const step = lastStep(intent);
      const placed = step === undefined || (await this.#run(step)) !== undefined;
      if (placed) return this.#finish(await this.#look(intent));
    }
    await this.#withdraw(scene);
    return undefined;
  }

  async #look(intent: Intent): Promise<Scene> {
    const { path, temp, displacedTo, copy } = intent;
    return {
      intent,
      path: await this.#stat({ entry: path }),
      temp: temp === undefined ? undefined : await this.#stat({ area: temp }),
      displaced: displacedTo === undefined ? undefined : await this.#stat({ area: displacedTo }),
      copy: copy === undefined ? undefined : await this.#stat({ entry: copy.path }),
    };
  }

  /** What the entry says stands at the path, and what stood there is out of the way. */
  async #isDone({ intent, path, displaced }: Scene): Promise<boolean> {
    const { entry, temp, assumed } = intent;
    if (temp !== undefined) {
      if (path?.type !== 'file') return false;
      return (
        path.inode === intent.tempInode || (await this.#hasContent(intent.path, path, entry.version.content))
      );
    }
    // A directory without an entry of its own, for what lives below it.
    if (path?.type === 'directory') return assumed?.type !== 'directory';
    const wanted = entry.version.content;
    if (wanted.type === 'deleted') {
      // Perhaps not yet looked into when the crash came.
      return path === undefined && (displaced === undefined || !isToBeVerified(intent.id));
    }
    if (wanted.type !== 'symlink' || path?.type !== 'symlink') return false;
    // The very link that was to be replaced may have had the same target.
    if (assumed !== undefined && displaced === undefined && sameIdentity(path, assumed)) return false;
    return (await this.#targetOf(intent)) === wanted.target;
  }

  async #finish(scene: Scene): Promise<Recovered> {
    const { intent, temp } = scene;
    if (intent.temp !== undefined && temp !== undefined) {
      if (intent.movedFrom === undefined || temp.inode === scene.path?.inode) await this.#unlink(intent.temp);
      else await this.#mustPutBack(intent.temp, intent.movedFrom);
    }
    const kept = await this.#settleDisplaced(scene);
    // Looked at again, because a link more or less moves the ctime.
    const path = await this.#stat({ entry: intent.path });
    const stands =
      intent.entry.version.content.type === 'deleted' && path?.type !== 'directory' ? undefined : path;
    return {
      intentId: intent.id,
      path: intent.path,
      entry: intent.entry,
      stat: stands === undefined ? undefined : await this.#statToHold(intent, stands),
      movedFrom: intent.movedFrom,
      ...kept,
    };
  }

  /** What was displaced becomes the conflict copy it was to be, or history. */
  async #settleDisplaced(scene: Scene): Promise<Pick<Recovered, 'copy' | 'historyItem'>> {
    const { intent, displaced, copy } = scene;
    const { displacedTo } = intent;
    if (displaced !== undefined && displacedTo !== undefined) {
      if (intent.copy === undefined) return { historyItem: this.#historyItem(intent, displaced) };
      if (copy !== undefined && copy.inode === displaced.inode) await this.#unlink(displacedTo);
      else if (
        copy === undefined ||
        !(await this.#hasContent(intent.copy.path, copy, intent.copy.version.content))
      ) {
        const place = await putBack(this.#dependencies, displacedTo, intent.copy.path);
        if (typeof place !== 'string') throw new RecoveryError(intent.path, place);
        if (place !== intent.copy.path) return {};
      } else return { historyItem: this.#historyItem(intent, displaced) };
    }
    return intent.copy === undefined ? {} : this.#copyToHold(intent.copy);
  }

  async #copyToHold(entry: FileEntry): Promise<Pick<Recovered, 'copy'>> {
    const stat = await this.#stat({ entry: entry.path });
    const isIt = stat !== undefined && (await this.#hasContent(entry.path, stat, entry.version.content));
    return isIt ? { copy: { entry, stat } } : {};
  }

  async #withdraw(scene: Scene): Promise<void> {
    const { intent, path, displaced, temp } = scene;
    const history: HistoryItem[] = [];
    if (displaced !== undefined && intent.displacedTo !== undefined) {
      if (path !== undefined && path.inode !== displaced.inode && intent.copy === undefined) {
        // A person wrote anew where the old version had stood.
        history.push(this.#historyItem(intent, displaced));
      } else await this.#giveBackDisplaced(scene);
    }
    if (intent.temp !== undefined && temp !== undefined) {
      if (intent.movedFrom !== undefined) await this.#giveBackGrabbed(intent, temp);
      else await this.#dropTemp(intent);
    }
    this.#dependencies.log.transact((tx) => {
      for (const item of history) tx.addHistory(item);
      tx.removeIntent(intent.id);
    });
  }

  async #giveBackDisplaced({ intent, path, displaced }: Scene): Promise<void> {
    const { displacedTo } = intent;
    if (displacedTo === undefined || displaced === undefined) return;
    if (path?.inode === displaced.inode) await this.#unlink(displacedTo);
    else await this.#mustPutBack(displacedTo, intent.path);
  }

  async #giveBackGrabbed({ temp, movedFrom }: Intent, grabbed: FileStat): Promise<void> {
    if (temp === undefined || movedFrom === undefined) return;
    const source = await this.#stat({ entry: movedFrom });
    if (source?.inode === grabbed.inode) await this.#unlink(temp);
    else await this.#mustPutBack(temp, movedFrom);
  }

  /** What came from another device need not be fetched again. */
  async #dropTemp({ temp, entry }: Intent): Promise<void> {
    if (temp === undefined) return;
    const content = entry.version.content;
    if (content.type === 'file' && content.chunks.length > 1) {
      const to = { area: partialName(content.hash) };
      if ((await this.#run({ op: 'rename', from: { area: temp }, to })) !== undefined) return;
    }
    await this.#unlink(temp);
  }

  async #statToHold(intent: Intent, stat: FileStat): Promise<FileStat> {
    const { entry, path } = intent;
    if (stat.type !== 'file') return stat;
    if (await this.#hasContent(path, stat, entry.version.content)) return stat;
    return { ...stat, mtimeNs: 0n };
  }

  async #hasContent(path: Intent['path'], stat: FileStat, content: Content): Promise<boolean> {
    if (content.type !== 'file' || stat.type !== 'file' || stat.sizeBytes !== content.sizeBytes) return false;
    return (await this.#run({ op: 'expect', at: { entry: path }, stat, hash: content.hash })) !== undefined;
  }

  async #targetOf({ path }: Intent): Promise<string | undefined> {
    const listed = await this.#dependencies.disk.list(parentOf(path));
    if (!listed.ok) return undefined;
    return listed.value.entries.find(({ name }) => name === nameOf(path))?.target;
  }

  /** Throws where it cannot be told whether something is there: then nothing may be concluded. */
  async #stat(at: StepPath): Promise<FileStat | undefined> {
    const [results] = await this.#dependencies.disk.run([[{ op: 'stat', at }]]);
    const result = results?.[0];
    if (result?.ok === true) return result.stat;
    if (result === undefined || isAbsence(result.error)) return undefined;
    if (result.error.code === 'root-missing') throw new RootMissingError(result.error.message);
    throw new RecoveryError('entry' in at ? at.entry : at.area, result.error);
  }

  /** The step's stat where it succeeds (of a step without one, `true`). */
  async #run(step: DiskStep): Promise<FileStat | true | undefined> {
    const [results] = await this.#dependencies.disk.run([[step]]);
    const result = results?.[0];
    return result?.ok === true ? (result.stat ?? true) : undefined;
  }

  async #unlink(area: NonNullable<Intent['temp']>): Promise<void> {
    await this.#run({ op: 'unlink-area', area });
  }

  async #mustPutBack(area: NonNullable<Intent['temp']>, path: Intent['path']): Promise<void> {
    const place = await putBack(this.#dependencies, area, path);
    if (typeof place !== 'string') throw new RecoveryError(path, place);
  }

  #historyItem({ path, displacedTo, entry }: Intent, stat: FileStat): HistoryItem {
    return {
      path,
      area: displacedTo ?? ('' as NonNullable<typeof displacedTo>),
      displacedAtMs: this.#dependencies.clock.nowMs(),
      sizeBytes: stat.sizeBytes,
      hash: undefined,
      reason: entry.version.content.type === 'deleted' ? 'deleted' : 'replaced',
      author: entry.version.author,
    };
  }
}

/** Other than by its inode where it had more links: then history got an inode of its own. */
function isAssumed(displaced: FileStat, { assumed }: Intent): boolean {
  if (assumed === undefined) return false;
  return sameIdentity(displaced, assumed.links > 1 ? { ...assumed, inode: displaced.inode } : assumed);
}

/**
 * Nothing stands at the path, and putting back would not bring back what stood there: the displaced content is its
 * conflict copy already, or an empty directory made room. The scan would take that for a person's deletion.
 */
function mustGoForward({ intent, path, displaced, copy, temp }: Scene): boolean {
  const { assumed, entry } = intent;
  if (path !== undefined || (intent.temp !== undefined && temp === undefined)) return false;
  if (entry.version.content.type === 'deleted' && intent.temp === undefined) return false;
  if (assumed?.type === 'directory') return true;
  return assumed !== undefined && displaced === undefined && copy !== undefined && isAssumed(copy, intent);
}

function lastStep({ path, temp, entry }: Intent): DiskStep | undefined {
  const { content } = entry.version;
  if (temp !== undefined) return { op: 'link-temp', temp, to: path };
  if (content.type === 'symlink') return { op: 'symlink', path, target: content.target };
  return content.type === 'deleted' ? undefined : { op: 'mkdir', path };
}
