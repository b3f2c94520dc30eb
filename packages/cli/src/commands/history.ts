import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type App, addCommand } from '../app.js';
import { formatMoment, parseMoment } from '../moment.js';
import { formatBytes } from '../render/quantity.js';
import { renderTable } from '../render/table.js';
import { printable } from '../render/text.js';

interface HistoryOptions {
  readonly folder?: string;
  readonly limit: number;
}

interface RestoreOptions {
  readonly folder?: string;
  readonly at?: Date;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** A large file is read and written once. */
const RESTORE_TIMEOUT_MS = 3_600_000;

export function addHistoryCommands(program: Command, app: App): void {
  addHistory(program, app);
  addRestore(program, app);
}

function addHistory(program: Command, app: App): void {
  addCommand(program, 'history [path]', {
    description: 'List what was replaced or deleted here, newest first.',
    examples: [
      'landropic history',
      'landropic history ~/Photos/2025',
      'landropic history plan.md --folder work',
    ],
  })
    .option('--folder <folder>', 'only this folder (ID or label); PATH is then relative to it')
    .addOption(
      new Option('--limit <number>', 'how many at most').argParser(parseLimit).default(DEFAULT_LIMIT),
    )
    .action(
      app.action<HistoryOptions, [string | undefined]>(async ({ output, json, call }, options, path) => {
        const { folder, limit } = options;
        const { versions, hasMore } = await call('history.list', {
          limit,
          ...(folder === undefined ? {} : { folder }),
          ...(path === undefined ? {} : { path: pathIn(folder, path) }),
        });
        if (json) return output.printJson({ versions, hasMore });
        if (versions.length === 0) return output.note('Nothing was replaced or deleted.');
        const rows = versions.map((version) => [
          formatMoment(version.displacedAt),
          version.reason,
          version.deviceName ?? '?',
          formatBytes(version.sizeBytes),
          version.folder,
          version.path,
        ]);
        const heading = ['WHEN', 'WHAT', 'BY', 'SIZE', 'FOLDER', 'PATH'];
        output.print(
          ...renderTable([heading, ...rows], output.columns === undefined ? {} : { columns: output.columns }),
        );
        if (hasMore) output.note(`There is more: '--limit ${Math.min(limit * 10, MAX_LIMIT)}'.`);
        output.note("Bring one back with 'landropic restore PATH --at WHEN'.");
      }),
    );
}

function addRestore(program: Command, app: App): void {
  addCommand(program, 'restore <path>', {
    description: 'Bring back a file that was replaced or deleted. What stands there now goes to history.',
    examples: [
      'landropic restore ~/Photos/cat.jpg',
      "landropic restore plan.md --folder work --at '2026-01-31 14:25:30'",
      'landropic restore plan.md --folder work --at 2h',
    ],
  })
    .option('--folder <folder>', 'PATH is relative to this folder (ID or label)')
    .addOption(
      new Option('--at <time>', 'what stood there then (default: before the last change)').argParser((text) =>
        parseMoment(text),
      ),
    )
    .action(
      app.action<RestoreOptions, [string]>(async ({ output, json, call }, { folder, at }, path) => {
        const restored = await call(
          'history.restore',
          {
            path: pathIn(folder, path),
            ...(folder === undefined ? {} : { folder }),
            ...(at === undefined ? {} : { at: at.toISOString() }),
          },
          { timeoutMs: RESTORE_TIMEOUT_MS },
        );
        if (json) return output.printJson(restored);
        const { version, changed, keptInHistory } = restored;
        const name = printable(version.path);
        if (!changed) return output.print(`${name} is as it was then already.`);
        output.print(
          `${name} is back, as it was until ${formatMoment(version.displacedAt)} (${formatBytes(version.sizeBytes)}).`,
        );
        if (keptInHistory) output.note('What stood there is in history now.');
      }),
    );
}

/** Relative to where the person is, unless a folder is named. */
export function pathIn(folder: string | undefined, path: string): string {
  return folder === undefined ? resolve(path) : path;
}

function parseLimit(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw new InvalidArgumentError(`It must be from 1 to ${MAX_LIMIT}.`);
  return limit;
}
