import { type Command, Option } from 'commander';
import { type App, addCommand, addGroup } from '../app.js';
import { formatMoment } from '../moment.js';
import { formatBytes } from '../render/quantity.js';
import { renderTable } from '../render/table.js';
import { printable } from '../render/text.js';
import { pathIn } from './history.js';

type Keep = 'this' | 'other' | 'both';

const KEEP = ['this', 'other', 'both'] as const;
/** A large file is copied once. */
const RESOLVE_TIMEOUT_MS = 3_600_000;

export function addConflictsCommands(program: Command, app: App): void {
  const group = addGroup(program, 'conflicts', {
    description: 'Files that were changed on two devices at once, and kept twice.',
    examples: ['landropic conflicts', 'landropic conflicts list --folder photos'],
  });
  addCommand(group, 'list', {
    description: 'List the conflict copies of every folder, or of one.',
    examples: ['landropic conflicts list', 'landropic conflicts list --folder photos --json'],
    isDefault: true,
  })
    .option('--folder <folder>', 'only this folder (ID or label)')
    .action(
      app.action<{ folder?: string }>(async ({ output, json, call }, { folder }) => {
        const { conflicts } = await call('conflicts.list', folder === undefined ? {} : { folder });
        if (json) return output.printJson({ conflicts });
        if (conflicts.length === 0) return output.note('No conflicts.');
        const rows = conflicts.map((copy) => [
          copy.folder,
          formatBytes(copy.sizeBytes),
          copy.modifiedAt.slice(0, 16).replace('T', ' '),
          copy.path,
        ]);
        const heading = ['FOLDER', 'SIZE', 'MODIFIED', 'COPY'];
        output.print(
          ...renderTable([heading, ...rows], output.columns === undefined ? {} : { columns: output.columns }),
        );
        output.note("See both versions with 'landropic conflicts show', end it with 'conflicts resolve'.");
      }),
    );
  addShow(group, app);
  addResolve(group, app);
}

function addShow(group: Command, app: App): void {
  addCommand(group, 'show <path>', {
    description: 'Show the versions of a file that were kept, and what differs where they are texts.',
    examples: ['landropic conflicts show ~/Work/plan.md', 'landropic conflicts show plan.md --folder work'],
  })
    .option('--folder <folder>', 'PATH is relative to this folder (ID or label)')
    .action(
      app.action<{ folder?: string }, [string]>(async ({ output, json, call }, { folder }, path) => {
        const conflict = await call('conflicts.show', {
          path: pathIn(folder, path),
          ...(folder === undefined ? {} : { folder }),
        });
        if (json) return output.printJson(conflict);
        const { original, copies } = conflict;
        const versions = [...(original === null ? [] : [original]), ...copies];
        const rows = versions.map((version) => [
          version.path,
          version.deviceName,
          formatMoment(version.modifiedAt),
          formatBytes(version.sizeBytes),
        ]);
        output.print(
          ...renderTable(
            [['VERSION', 'BY', 'MODIFIED', 'SIZE'], ...rows],
            output.columns === undefined ? { flexible: 0 } : { columns: output.columns, flexible: 0 },
          ),
        );
        if (original === null) output.note(`Nothing stands at ${printable(conflict.path)} itself.`);
        for (const copy of copies) {
          if (copy.diff === null || copy.diff === '') continue;
          output.print('', `--- ${printable(conflict.path)}`, `+++ ${printable(copy.path)}`);
          output.print(
            ...copy.diff
              .replace(/\n$/, '')
              .split('\n')
              .map((line) => line.replaceAll('\t', '    '))
              .map(printable),
          );
        }
        output.note("Keep one with 'landropic conflicts resolve PATH --keep this|other|both'.");
      }),
    );
}

function addResolve(group: Command, app: App): void {
  addCommand(group, 'resolve <path>', {
    description: 'End a conflict. What goes lies in history, and comes back with restore.',
    examples: [
      'landropic conflicts resolve ~/Work/plan.md --keep this',
      'landropic conflicts resolve plan.md --folder work --keep both',
    ],
  })
    .addOption(
      new Option('--keep <version>', 'the version at PATH, the other one, or both under names of their own')
        .choices(KEEP)
        .makeOptionMandatory(),
    )
    .option('--folder <folder>', 'PATH is relative to this folder (ID or label)')
    .action(
      app.action<{ folder?: string; keep: Keep }, [string]>(
        async ({ output, json, call }, { folder, keep }, path) => {
          const params = { path: pathIn(folder, path), keep, ...(folder === undefined ? {} : { folder }) };
          const resolved = await call('conflicts.resolve', params, { timeoutMs: RESOLVE_TIMEOUT_MS });
          if (json) return output.printJson(resolved);
          const { removed, keptAs, replaced } = resolved;
          const name = printable(resolved.path);
          if (replaced) output.print(`${name} is now what ${printable(removed[0] ?? '')} was.`);
          else if (keptAs.length === 0) output.print(`${name} stays as it is.`);
          for (const [i, kept] of keptAs.entries())
            output.print(`${printable(removed[i] ?? '')} is now called ${printable(kept)}.`);
        },
      ),
    );
}
