import { type Ledger, namesOf, type Placement } from './ledger.js';
import type { Inode, MemoryFileSystem } from './memory-file-system.js';
import { AREA } from './memory-places.js';
import { Person } from './person.js';
import type { SimulatedDevice } from './simulated-device.js';

export interface Violation {
  readonly promise:
    | 'convergence'
    | 'no lost write'
    | 'no resurrection'
    | 'no foreign bytes'
    | 'quiet'
    | 'no failure';
  readonly text: string;
}

interface Found {
  readonly path: string;
  readonly inode: Inode;
}

/** All that stands in a folder but its own area, parents first. */
export function thingsIn(files: MemoryFileSystem): readonly Found[] {
  const found: Found[] = [];
  const visit = (prefix: string, directory: Inode) => {
    for (const [name, inode] of directory.entries) {
      if (prefix === '' && name === AREA) continue;
      found.push({ path: `${prefix}${name}`, inode });
      if (inode.type === 'directory') visit(`${prefix}${name}/`, inode);
    }
  };
  visit('', files.root);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** One line for all that the others have to have too. */
export function describeTree(files: MemoryFileSystem): string {
  return thingsIn(files)
    .map(({ path, inode }) => {
      if (inode.type === 'directory') return `${path}/`;
      if (inode.type === 'symlink') return `${path} -> ${inode.target}`;
      const time = inode.mtimeNs / 1000n;
      return `${path} ${Person.standingOf(inode)?.slice(0, 13)} ${inode.mode.toString(8)} ${time}`;
    })
    .join('\n');
}

/** Promise 4, which holds at every moment: what stands under a name was put there, whole, by somebody. */
export function findForeignBytes(device: SimulatedDevice, ledger: Ledger): Violation[] {
  const violations: Violation[] = [];
  for (const { path, inode } of thingsIn(device.files)) {
    const standing = Person.standingOf(inode);
    if (standing === undefined || /\.(?:tmp|swap)\d+$/.test(path)) continue;
    if (ledger.belongsTo(path, standing).length > 0) continue;
    const text = `${device.id}: ${path} is ${standing.slice(0, 13)} of ${inode.bytes.length} bytes, which nobody put there`;
    violations.push({ promise: 'no foreign bytes', text });
  }
  return violations;
}

/** Promise 1, once changes have stopped and everybody could talk. */
export function findDivergence(devices: readonly SimulatedDevice[]): Violation[] {
  const [first, ...others] = devices;
  if (first === undefined) return [];
  const tree = describeTree(first.files);
  return others.flatMap((other): Violation[] => {
    const theirs = describeTree(other.files);
    if (theirs === tree) return [];
    const text = `${first.id} has\n${tree}\nand ${other.id} has\n${theirs}`;
    return [{ promise: 'convergence', text }];
  });
}

/** Promises 2 and 3, when everybody has the same. */
export function findLossesAndReturns(device: SimulatedDevice, ledger: Ledger): Violation[] {
  const standingNow = new Map<string, string[]>();
  for (const { path, inode } of thingsIn(device.files)) {
    const standing = Person.standingOf(inode);
    if (standing !== undefined) standingNow.set(standing, [...(standingNow.get(standing) ?? []), path]);
  }
  const violations: Violation[] = [];
  for (const placement of ledger.placements) {
    const places = standingNow.get(placement.standing) ?? [];
    if (placement.owed === 'folder' && places.length === 0) {
      violations.push({ promise: 'no lost write', text: `${describe(placement)} is nowhere in the folder` });
    }
  }
  for (const [standing, paths] of standingNow) {
    for (const path of paths) {
      const placements = ledger.belongsTo(path, standing);
      if (placements.length === 0 || placements.some(({ owed }) => owed !== 'nothing')) continue;
      if (namesOf(path).length > 1) continue;
      violations.push({
        promise: 'no resurrection',
        text: `${path} holds ${standing.slice(0, 13)} again: ${placements.map(describe).join('; ')}`,
      });
    }
  }
  return violations;
}

/** Conflict copies of what somebody had seen when it was replaced: no loss, but a needless question to people. */
export function countNeedlessCopies(device: SimulatedDevice, ledger: Ledger): number {
  return thingsIn(device.files).filter(({ path, inode }) => {
    const standing = Person.standingOf(inode);
    if (standing === undefined || namesOf(path).length < 2) return false;
    const placements = ledger.belongsTo(path, standing);
    return placements.length > 0 && placements.every(({ owed }) => owed === 'nothing');
  }).length;
}

function describe({ path, standing, device, owed, replacedBy }: Placement): string {
  const by = replacedBy === undefined ? '' : `, replaced by ${replacedBy}`;
  return `${standing.slice(0, 13)}, put at ${path} by ${device} (owed: ${owed}${by})`;
}
