import type { DiskStep, FolderDisk, StepResult } from '../core/ports/folder-disk.js';
import { alterDisk } from './folder-fixture.js';

/** Disks on which something happens between two steps: for the applier's tests. */

/** Does something right before each step of that kind. */
export function actBefore(disk: FolderDisk, isIt: (step: DiskStep) => boolean, act: () => void): FolderDisk {
  return stepByStep(disk, (step) => {
    if (isIt(step)) act();
    return undefined;
  });
}

/** Refuses steps of that kind, each once: putting back is to work. */
export function refuse(disk: FolderDisk, isIt: (step: DiskStep) => boolean, code: string): FolderDisk {
  const done = new Set<string>();
  return stepByStep(disk, (step) => {
    const name = JSON.stringify(step, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
    if (!isIt(step) || done.has(name)) return undefined;
    done.add(name);
    return code;
  });
}

/** `decide` is asked before each step, and may name the error that it fails with. */
export function stepByStep(disk: FolderDisk, decide: (step: DiskStep) => string | undefined): FolderDisk {
  return alterDisk(disk, {
    run: async (items) => {
      const results: StepResult[][] = [];
      for (const steps of items) {
        const done: StepResult[] = [];
        for (const step of steps) {
          const code = decide(step);
          if (code === undefined) done.push(...((await disk.run([[step]]))[0] ?? []));
          else done.push({ ok: false, error: { code, message: code } });
          if (done.at(-1)?.ok !== true) break;
        }
        results.push(done);
      }
      return results;
    },
  });
}
