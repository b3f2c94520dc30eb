import type { FileEntry } from '../core/model/file-entry.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { ApplyTask } from '../core/ports/applier.js';
import type { AreaPath, DiskStep, FileStat } from '../core/ports/folder-disk.js';
import { grabTemp, historySlot, newTemp, parentOfArea } from './area-names.js';

/** What a step is for: where the steps of a task end says what has to be made good. */
export type StepRole =
  /** What stands there is looked at before anything is touched. */
  | 'precheck'
  | 'prepare'
  /** The source of a move is taken into the area, and looked at there. */
  | 'grab'
  | 'check-grabbed'
  /** What stands at the path is taken into history, and looked at there. */
  | 'displace'
  | 'check-displaced'
  | 'unshare-copy'
  | 'keep-copy'
  /** An empty directory makes room. */
  | 'clear'
  /** From here on the new content stands at the path. */
  | 'place'
  /** What is nice to have: the task is done without it. */
  | 'finish';

export interface RoleStep {
  readonly role: StepRole;
  readonly step: DiskStep;
}

/** How one task is carried out. */
export interface ApplySteps {
  readonly task: ApplyTask;
  readonly intentId: string;
  readonly temp: AreaPath | undefined;
  /** Where what stands at the path goes. */
  readonly slot: AreaPath | undefined;
  readonly copy: FileEntry | undefined;
  readonly steps: readonly RoleStep[];
}

const EXECUTABLE = 0o111;
const SPECIAL_BITS = 0o7000;

export function planSteps(task: ApplyTask, intentId: string, batch: AreaPath): ApplySteps {
  const { action, assumed, displaced } = task;
  const isVisible = action.kind !== 'metadata' && action.kind !== 'adopt';
  const displaces = isVisible && (assumed?.type === 'file' || assumed?.type === 'symlink');
  const slot = displaces ? historySlot(batch, task.path) : undefined;
  const copy = displaces && displaced.to === 'copy' ? displaced.entry : undefined;
  const temp =
    action.kind === 'file' ? newTemp(intentId) : action.kind === 'move' ? grabTemp(intentId) : undefined;
  const planned = { task, intentId, temp, slot, copy };
  return { ...planned, steps: [...stepsToClear(planned), ...stepsToPlace(planned)] };
}

/** Directories whose names change, to be flushed. */
export function directoriesTouched(planned: ApplySteps): (DirectoryPath | { readonly area: AreaPath })[] {
  const { task, slot, copy } = planned;
  const touched: (DirectoryPath | { readonly area: AreaPath })[] = [parentOf(task.path)];
  if (copy !== undefined) touched.push(parentOf(copy.path));
  if (task.action.kind === 'move') touched.push(parentOf(task.action.from));
  for (let area = slot; area?.includes('/'); ) {
    area = parentOfArea(area);
    touched.push({ area });
  }
  return touched;
}

type Planned = Omit<ApplySteps, 'steps'>;

function stepsToClear({ task, temp, slot, copy }: Planned): RoleStep[] {
  const { path, assumed, verifyHash, action } = task;
  const steps: RoleStep[] = [];
  const isVisible = action.kind !== 'metadata' && action.kind !== 'adopt';
  if (!isVisible || slot !== undefined) {
    steps.push({ role: 'precheck', step: { op: 'expect', at: { entry: path }, stat: assumed } });
  }
  if (slot !== undefined) {
    steps.push({ role: 'prepare', step: { op: 'make-area', area: parentOfArea(slot) } });
  }
  if (action.kind === 'move' && temp !== undefined) {
    const { from, fromStat, fromEntry } = action;
    const content = fromEntry.version.content;
    steps.push(
      { role: 'grab', step: { op: 'rename', from: { entry: from }, to: { area: temp } } },
      {
        role: 'check-grabbed',
        step: expectFile(temp, fromStat, content.type === 'file' ? content.hash : undefined),
      },
    );
  }
  if (slot !== undefined && assumed !== undefined) {
    steps.push(
      { role: 'displace', step: { op: 'rename', from: { entry: path }, to: { area: slot } } },
      { role: 'check-displaced', step: expectFile(slot, assumed, verifyHash) },
    );
    if (copy !== undefined) {
      if (assumed.links > 1) steps.push({ role: 'unshare-copy', step: { op: 'unshare', area: slot } });
      steps.push({
        role: 'keep-copy',
        step: { op: 'rename', from: { area: slot }, to: { entry: copy.path } },
      });
    }
  }
  if (isVisible && assumed?.type === 'directory' && action.kind !== 'directory') {
    steps.push({ role: 'clear', step: { op: 'rmdir', path } });
  }
  return steps;
}

export function stepsToPlace({ task, temp, slot, copy }: Planned): RoleStep[] {
  const { path, action, assumed, entry } = task;
  const steps: RoleStep[] = [];
  switch (action.kind) {
    case 'file':
    case 'move':
      if (temp !== undefined) steps.push({ role: 'place', step: { op: 'link-temp', temp, to: path } });
      if (action.kind === 'move' && !hasMetadata(action.fromStat, entry)) {
        steps.push({ role: 'finish', step: metadataStep(path, entry, action.fromStat) });
      }
      break;
    case 'directory':
      steps.push({ role: 'place', step: { op: 'mkdir', path } });
      if (entry.metadata.mode !== undefined && entry.version.content.type === 'directory') {
        steps.push({ role: 'finish', step: { op: 'set-metadata', path, mode: directoryMode(entry, 0) } });
      }
      break;
    case 'symlink':
      steps.push({ role: 'place', step: { op: 'symlink', path, target: action.target } });
      break;
    case 'metadata':
      steps.push({ role: 'place', step: metadataStep(path, entry, assumed) });
      break;
    case 'remove':
    case 'adopt':
      break;
  }
  if (slot !== undefined && copy === undefined && assumed !== undefined && assumed.links > 1) {
    steps.push({ role: 'finish', step: { op: 'unshare', area: slot } });
  }
  return steps;
}

/** The permission bits of a new file: those of the author's system, or the usual ones; never set-user-ID and the like. */
export function fileMode(entry: FileEntry, standing: FileStat | undefined): number {
  const { mode, executable } = entry.metadata;
  if (mode !== undefined) return mode & ~SPECIAL_BITS;
  const base = standing?.type === 'file' ? standing.mode & ~EXECUTABLE : 0o644;
  // Whoever may read it may run it.
  return executable ? base | ((base & 0o444) >> 2) : base;
}

function metadataStep(path: RelativePath, entry: FileEntry, standing: FileStat | undefined): DiskStep {
  if (standing?.type === 'directory') {
    return { op: 'set-metadata', path, mode: directoryMode(entry, standing.mode) };
  }
  const special = (standing?.mode ?? 0) & SPECIAL_BITS;
  const mode = fileMode(entry, standing) | special;
  return { op: 'set-metadata', path, mtimeNs: entry.metadata.mtimeNs, mode };
}

/** The owner keeps all rights to a directory, or nothing could be placed in it any more. */
function directoryMode(entry: FileEntry, standing: number): number {
  const mode = entry.metadata.mode ?? (standing === 0 ? 0o755 : standing);
  return (mode & ~SPECIAL_BITS) | (standing & SPECIAL_BITS) | 0o700;
}

function hasMetadata(stat: FileStat, entry: FileEntry): boolean {
  // Times are set in microseconds.
  const isOnTime = stat.mtimeNs / 1000n === entry.metadata.mtimeNs / 1000n;
  return isOnTime && (stat.mode & ~SPECIAL_BITS) === fileMode(entry, stat);
}

function expectFile(area: AreaPath, stat: FileStat, hash: ApplyTask['verifyHash']): DiskStep {
  return hash === undefined || stat.type !== 'file'
    ? { op: 'expect', at: { area }, stat }
    : { op: 'expect', at: { area }, stat, hash };
}
