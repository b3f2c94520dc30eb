import type { Command } from 'commander';
import { type App, addCommand, addGroup } from '../app.js';
import { formatBytes } from '../render/quantity.js';
import { renderTable } from '../render/table.js';

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
        output.note('Keep what you want of both files, then delete the copy: it goes on every device.');
      }),
    );
}
