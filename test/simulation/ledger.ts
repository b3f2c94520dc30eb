import type { RelativePath } from '../../packages/daemon/src/core/model/relative-path.js';
import { originalOfConflict } from '../../packages/daemon/src/core/reconcile/conflict-name.js';

/** What stands at a path, as text: `file HASH` or `link TARGET`. Directories hold nothing of anybody's. */
export type Standing = string;

/** What is owed to a content that a person put somewhere. */
export type Owed =
  /** It has to be in everybody's folder in the end: under its name, or as a conflict copy. */
  | 'folder'
  /** In a folder, or in somebody's history. */
  | 'anywhere'
  /** Nothing, and it may not come back: a person replaced or deleted it who had it before their eyes. */
  | 'nothing'
  /** Nothing, and it may come back. */
  | 'either';

export interface Placement {
  readonly path: string;
  readonly standing: Standing;
  readonly device: string;
  owed: Owed;
  /** Who replaced or deleted it. */
  replacedBy: string | undefined;
}

/** Everything that any person ever put anywhere, and whether somebody who saw it took it away again. */
export class Ledger {
  readonly placements: Placement[] = [];
  private readonly byStanding = new Map<Standing, Placement[]>();
  /** Replacements by device since everybody last agreed: forgotten with an index that is lost. */
  private recent: Placement[] = [];

  /** A person put this there. */
  place(device: string, path: string, standing: Standing, owed: Owed = 'folder'): void {
    const placement: Placement = { path, standing, device, owed, replacedBy: undefined };
    this.placements.push(placement);
    const same = this.byStanding.get(standing);
    if (same === undefined) this.byStanding.set(standing, [placement]);
    else same.push(placement);
  }

  /** A person of that device took this away from there, with it before their eyes. */
  replace(device: string, path: string, standing: Standing, isCertain: boolean): void {
    const all = this.byStanding.get(standing) ?? [];
    const here = all.filter((placement) => placement.path === path);
    // Under any other name it is a conflict copy, or was rescued: who takes that away takes it away altogether.
    for (const placement of here.length > 0 ? here : all) {
      if (placement.owed === 'either') continue;
      placement.owed = isCertain ? 'nothing' : 'either';
      placement.replacedBy = device;
      this.recent.push(placement);
    }
  }

  /** The device no longer knows what was done on it since everybody last agreed. */
  forgetReplacements(device: string): void {
    for (const placement of this.recent) {
      if (placement.replacedBy === device && placement.owed === 'nothing') placement.owed = 'either';
    }
  }

  agreed(): void {
    this.recent = [];
  }

  of(standing: Standing): readonly Placement[] {
    return this.byStanding.get(standing) ?? [];
  }

  /** Whether anybody put it there, or where this is the conflict name of. */
  belongsTo(path: string, standing: Standing): readonly Placement[] {
    const places = namesOf(path);
    return this.of(standing).filter((placement) => places.includes(placement.path));
  }
}

/** The path, and those that it may be the conflict copy of, copies of copies included. */
export function namesOf(path: string): readonly string[] {
  const names = [path];
  for (let at = originalOfConflict(path as RelativePath); at !== undefined; at = originalOfConflict(at))
    names.push(at);
  return names;
}
