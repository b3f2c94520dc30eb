import type { Content, FileEntry } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ApplyOutcome, ApplyTask } from '../core/ports/applier.js';
import type { FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import { FolderApplier } from './applier.js';
import { TestIntents } from './applier-fixture.js';
import { contentOf, entryOf, makeTestFolder, type TestFolder } from './folder-fixture.js';
import type { DisplacedFile } from './history-watch.js';

type Metadata = Partial<FileEntry['metadata']>;
type Rest = Partial<ApplyTask>;

/** A real folder with an applier, and short ways to say what is to be applied: for the applier's tests. */
export class ApplierRig {
  readonly folder: TestFolder = makeTestFolder();
  readonly log = new TestIntents();
  readonly displaced: DisplacedFile[] = [];

  /** Applies, and then does with the intents what the caller has to do. */
  readonly apply = async (
    tasks: readonly ApplyTask[],
    disk?: FolderDisk,
  ): Promise<readonly ApplyOutcome[]> => {
    const applier = new FolderApplier({
      disk: disk ?? this.folder.disk,
      log: this.log,
      ...this.log.chance(),
      onDisplaced: (file) => this.displaced.push(file),
    });
    const outcomes = await applier.apply(tasks);
    for (const outcome of outcomes) {
      if (outcome.outcome === 'applied' && outcome.intentId !== undefined) this.log.remove(outcome.intentId);
    }
    if (this.log.intents().length > 0) throw new Error('an intent was left');
    return outcomes;
  };

  readonly statOf = async (path: string): Promise<FileStat | undefined> => {
    const [stat] = await this.folder.disk.stat([path as RelativePath]);
    return stat?.ok === true ? stat.value : undefined;
  };

  /** On top of what stands there now. */
  readonly task = async (
    path: string,
    content: Content,
    rest: Rest & Pick<ApplyTask, 'action'>,
    metadata?: Metadata,
  ): Promise<ApplyTask> => ({
    path: path as RelativePath,
    entry: entryOf(path, content, metadata),
    assumed: await this.statOf(path),
    verifyHash: undefined,
    displaced: { to: 'history' },
    ...rest,
  });

  readonly file = (path: string, text: string, rest: Rest = {}, metadata?: Metadata) => {
    const action = { kind: 'file', from: { kind: 'bytes', bytes: Buffer.from(text) } } as const;
    return this.task(path, contentOf(text), { action, ...rest }, metadata);
  };

  readonly remove = (path: string, rest: Rest = {}) =>
    this.task(path, { type: 'deleted' }, { action: { kind: 'remove' }, ...rest });

  readonly directory = (path: string, rest: Rest = {}, metadata?: Metadata) =>
    this.task(path, { type: 'directory' }, { action: { kind: 'directory' }, ...rest }, metadata);

  readonly symlink = (path: string, target: string) =>
    this.task(path, { type: 'symlink', target }, { action: { kind: 'symlink', target } });

  readonly move = async (from: string, path: string, text: string) => {
    const fromStat = await this.folder.stat(from);
    const metadata = { mtimeNs: fromStat.mtimeNs, mode: fromStat.mode };
    const fromEntry = entryOf(from, contentOf(text), metadata);
    const action = { kind: 'move', from: from as RelativePath, fromStat, fromEntry } as const;
    return this.task(path, contentOf(text), { action }, metadata);
  };

  /** What is displaced becomes `f.copy`. */
  readonly copyOf = (text: string): ApplyTask['displaced'] => ({
    to: 'copy',
    entry: entryOf('f.copy', contentOf(text)),
  });

  /** Contents of all history, without the names of batches. */
  readonly history = (): Record<string, string> =>
    Object.fromEntries(
      Object.entries(this.folder.area())
        .filter(([path]) => /^history\/[^/]+\/./.test(path))
        .map(([path, text]) => [path.split('/').slice(2).join('/'), text]),
    );

  readonly leftInTmp = (): string[] =>
    Object.keys(this.folder.area()).filter((path) => path.startsWith('tmp/') && path !== 'tmp/');
}
