import { parentOf, type RelativePath } from '../../packages/daemon/src/core/model/relative-path.js';
import { noise } from '../../packages/daemon/src/folder/folder-fixture.js';
import { type Chance, pickWeighted } from './chance.js';
import type { Coverage } from './coverage.js';
import type { Ledger, Standing } from './ledger.js';
import type { Inode } from './memory-file-system.js';
import { AREA, hashOfBytes } from './memory-places.js';
import type { SimulatedDevice } from './simulated-device.js';

export const ACTIONS = {
  write: 10,
  editInPlace: 6,
  saveAtomically: 6,
  copyContent: 1,
  remove: 6,
  rename: 5,
  swap: 1,
  makeDirectory: 3,
  removeTree: 2,
  becomeDirectory: 1,
  becomeFile: 1,
  becomeLink: 2,
  touch: 2,
  changeMode: 2,
  openFile: 1,
  writeToOpenFile: 2,
} as const;

export type Action = keyof typeof ACTIONS;

const PLACES = ['a', 'b', 'c', 'd', 'e', 'd/a', 'd/b', 'd/e', 'e/a', 'e/d', 'd/e/a', 'd/e/b', 'e/d/a'];
const LARGE_BYTES = 150_000;

interface OpenFile {
  readonly path: string;
  readonly inode: Inode;
}

/** Whether what a person does now is sure to be seen by the daemon as done on top of what stands there. */
export type Certainty = 'certain' | 'amid-steps';

/** What people and their programs do to the folder of one device, and what they have a right to expect of it. */
export class Person {
  private open: OpenFile | undefined;
  private certainty: Certainty = 'certain';

  constructor(
    private readonly device: SimulatedDevice,
    private readonly chance: Chance,
    private readonly ledger: Ledger,
    private readonly coverage: Coverage,
    /** Numbers that nobody has used yet. */
    private readonly nextNumber: () => number,
  ) {}

  /** Does something. Returns what, for the trace. */
  act(certainty: Certainty = 'certain'): string {
    this.certainty = certainty;
    const action = pickWeighted<Action>(this.chance, ACTIONS);
    const isCreating = action === 'write' || action === 'makeDirectory' || action === 'copyContent';
    const path = isCreating && !this.chance.oneIn(4) ? this.chance.pick(PLACES) : this.somethingThere();
    const isDone = this.perform(action, path);
    if (isDone) this.coverage.count(`person ${action}`);
    return `${this.device.id} ${action} ${path}${isDone ? '' : ' (cannot)'}`;
  }

  /** What stands at a path, as the ledger knows it. */
  static standingOf(inode: Inode): Standing | undefined {
    if (inode.type === 'file') return `file ${hashOfBytes(inode.bytes)}`;
    return inode.type === 'symlink' ? `link ${inode.target}` : undefined;
  }

  private perform(action: Action, path: string): boolean {
    switch (action) {
      case 'write':
        return this.write(path, this.newBytes());
      case 'editInPlace':
        return this.editInPlace(path);
      case 'saveAtomically':
        return this.saveAtomically(path);
      case 'copyContent':
        return this.copyContent(path);
      case 'remove':
        return this.remove(path);
      case 'rename':
        return this.rename(path, this.chance.pick(PLACES));
      case 'swap':
        return this.swap(path, this.somethingThere());
      case 'makeDirectory':
        return this.makeDirectory(path);
      case 'removeTree':
        return this.removeTree(path);
      case 'becomeDirectory':
        return this.find(path)?.type === 'file' && this.remove(path) && this.makeDirectory(path);
      case 'becomeFile':
        return (
          this.find(path)?.type === 'directory' && this.removeTree(path) && this.write(path, this.newBytes())
        );
      case 'becomeLink':
        return this.becomeLink(path);
      case 'touch':
        return this.touch(path);
      case 'changeMode':
        return this.changeMode(path);
      case 'openFile':
        return this.openFile(path);
      case 'writeToOpenFile':
        return this.writeToOpenFile();
    }
  }

  private write(path: string, bytes: Uint8Array): boolean {
    if (!this.hasParent(path)) return false;
    if (this.find(path) !== undefined) return this.editInPlace(path);
    this.flush(this.device.files.createFile(path, bytes, 0o644));
    this.placed(path);
    return true;
  }

  private editInPlace(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type !== 'file') return false;
    this.replaced(path, inode);
    this.device.files.write(inode, this.newBytes());
    this.placed(path);
    return true;
  }

  /** As editors do: a new file, renamed over the old one. */
  private saveAtomically(path: string): boolean {
    const standing = this.find(path);
    if (standing?.type !== 'file') return false;
    const beside = `${path}.tmp${this.nextNumber()}`;
    this.device.files.createFile(beside, this.newBytes(), standing.mode);
    this.replaced(path, standing);
    this.device.files.rename(beside, path);
    this.placed(path);
    return true;
  }

  private copyContent(path: string): boolean {
    const source = this.find(this.chance.pick(PLACES));
    if (source?.type !== 'file' || source.bytes.length === 0 || this.find(path) !== undefined) return false;
    return this.write(path, source.bytes);
  }

  private remove(path: string): boolean {
    const inode = this.find(path);
    if (inode === undefined || inode.type === 'directory') return false;
    this.replaced(path, inode);
    this.device.files.unlink(path);
    this.touched(path);
    return true;
  }

  private rename(from: string, to: string): boolean {
    const source = this.find(from);
    if (source === undefined || from === to || !this.hasParent(to) || `${to}/`.startsWith(`${from}/`))
      return false;
    const target = this.find(to);
    if (target?.type === 'directory') return false;
    if (target !== undefined && source.type === 'directory') return false;
    if (target !== undefined) this.replaced(to, target);
    const below = this.filesBelow(from);
    for (const { path, inode } of below) this.replaced(path, inode);
    this.device.files.rename(from, to);
    for (const { path, inode } of below) this.putDown(`${to}${path.slice(from.length)}`, inode);
    this.touched(from);
    this.touched(to);
    return true;
  }

  private swap(a: string, b: string): boolean {
    const [one, other] = [this.find(a), this.find(b)];
    if (one?.type !== 'file' || other?.type !== 'file' || one === other) return false;
    const between = `${a}.swap${this.nextNumber()}`;
    this.replaced(a, one);
    this.replaced(b, other);
    this.device.files.rename(a, between);
    this.device.files.rename(b, a);
    this.device.files.rename(between, b);
    this.placed(a);
    this.placed(b);
    return true;
  }

  private makeDirectory(path: string): boolean {
    if (!this.hasParent(path) || this.find(path) !== undefined) return false;
    this.device.files.makeDirectory(path);
    this.touched(path);
    return true;
  }

  private removeTree(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type !== 'directory') return false;
    for (const file of this.filesBelow(path)) this.replaced(file.path, file.inode);
    this.removeAll(path, inode);
    this.touched(path);
    return true;
  }

  private becomeLink(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type === 'directory' || !this.hasParent(path)) return false;
    if (inode !== undefined) this.remove(path);
    this.device.files.symlink(path, `target-${this.nextNumber()}`);
    this.placed(path);
    return true;
  }

  private touch(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type !== 'file') return false;
    this.device.files.setMetadata(inode, { mtimeNs: BigInt(Math.floor(this.device.nowMs())) * 1_000_000n });
    this.touched(path);
    return true;
  }

  private changeMode(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type !== 'file') return false;
    this.device.files.setMetadata(inode, { mode: inode.mode ^ 0o111 });
    this.touched(path);
    return true;
  }

  private openFile(path: string): boolean {
    const inode = this.find(path);
    if (inode?.type !== 'file') return false;
    this.open = { path, inode };
    return true;
  }

  /** A program that opened a file goes on writing to it, wherever it is by now. */
  private writeToOpenFile(): boolean {
    const { open } = this;
    if (open === undefined || open.inode.links === 0) return false;
    if (this.find(open.path) === open.inode) return this.editInPlace(open.path);
    this.device.files.write(open.inode, this.newBytes());
    this.device.files.flush(open.inode);
    const standing = Person.standingOf(open.inode);
    if (standing !== undefined) this.ledger.place(this.device.id, open.path, standing, 'either');
    this.coverage.count('person writeToDisplacedFile');
    return true;
  }

  // ---- what they expect of it

  private replaced(path: string, inode: Inode): void {
    const standing = Person.standingOf(inode);
    if (standing !== undefined)
      this.ledger.replace(this.device.id, path, standing, this.certainty === 'certain');
  }

  private placed(path: string): void {
    const inode = this.find(path);
    if (inode !== undefined) this.putDown(path, inode);
    this.touched(path);
  }

  private putDown(path: string, inode: Inode): void {
    if (inode.type === 'file') this.flush(inode);
    const standing = Person.standingOf(inode);
    if (standing !== undefined) this.ledger.place(this.device.id, path, standing);
  }

  /** People's programs are taken to flush what they write: see KNOWN_GAPS. */
  private flush(inode: Inode): void {
    this.device.files.flush(inode);
  }

  private touched(path: string): void {
    const parent = parentOf(path as RelativePath);
    const directory = this.find(parent);
    if (directory?.type === 'directory') this.device.files.flushDirectory(directory);
    this.device.hint(parent);
  }

  // ---- their folder

  private find(path: string): Inode | undefined {
    if (path === '') return this.device.files.root;
    let at: Inode | undefined = this.device.files.root;
    for (const name of path.split('/')) at = at?.entries.get(name);
    return at;
  }

  private hasParent(path: string): boolean {
    return this.find(parentOf(path as RelativePath))?.type === 'directory';
  }

  /** Mostly what is there: a few paths that all use, and now and then whatever else is in the folder. */
  private somethingThere(): string {
    const isAny = this.chance.oneIn(6);
    const there = isAny
      ? this.filesBelow('').map(({ path }) => path)
      : PLACES.filter((path) => this.find(path) !== undefined);
    return this.chance.pick(there.length === 0 ? PLACES : there);
  }

  private filesBelow(path: string): readonly { readonly path: string; readonly inode: Inode }[] {
    const inode = this.find(path);
    if (inode === undefined) return [];
    if (inode.type !== 'directory') return [{ path, inode }];
    return [...inode.entries.keys()]
      .filter((name) => path !== '' || name !== AREA)
      .flatMap((name) => this.filesBelow(path === '' ? name : `${path}/${name}`));
  }

  private removeAll(path: string, inode: Inode): void {
    for (const [name, child] of [...inode.entries]) {
      if (child.type === 'directory') this.removeAll(`${path}/${name}`, child);
      else this.device.files.unlink(`${path}/${name}`);
    }
    this.device.files.removeDirectory(path);
  }

  private newBytes(): Uint8Array {
    const number = this.nextNumber();
    if (this.chance.oneIn(40)) {
      this.coverage.count('person writes more than one chunk');
      return noise(LARGE_BYTES, number);
    }
    return Uint8Array.from(Buffer.from(`content ${number}`));
  }
}
