import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { MergePreview } from '@landropic/daemon/local-api';
import type { CommandContext } from '../app.js';
import { Failure } from '../failure.js';
import { count } from '../render/quantity.js';
import { printable } from '../render/text.js';

/** Files that may be equal are read. */
const PREVIEW_TIMEOUT_MS = 24 * 3_600_000;

/**
 * Shows what taking an offered folder would do where its directory holds files already, and asks. Throws a Failure unless
 * the answer is yes; where nobody can be asked, `usage`.
 */
export async function confirmMerge(
  { output, json, call, stdin, signal }: CommandContext,
  folder: { readonly id: string; readonly path: string },
): Promise<void> {
  const preview = await call('folders.preview', folder, { timeoutMs: PREVIEW_TIMEOUT_MS });
  if (preview.files === null) return;
  const isAsked = stdin.isTTY === true && !json;
  for (const line of describePreview(preview, preview.files)) output.note(line);
  if (!isAsked)
    throw new Failure(
      'usage',
      `${folder.path} holds files already.`,
      "Merge them with '--yes'. Nothing was changed.",
    );
  output.note('Merge them? [y/N]');
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    // Whoever ends the input has not said yes.
    const ended = once(lines, 'close').then(() => '');
    const answer = await Promise.race([lines.question('', { signal }), ended]);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('declined', 'Nothing was changed.');
  } finally {
    lines.close();
  }
}

function describePreview(
  { path, deviceName }: MergePreview,
  files: NonNullable<MergePreview['files']>,
): readonly string[] {
  const { equal, onlyHere, onlyThere, different, differentPaths } = files;
  const other = printable(deviceName);
  const shown = differentPaths.slice(0, 5).map((each) => `  ${printable(each)}`);
  return [
    `${printable(path)} holds files already. Compared with ${other}:`,
    `${count(equal, 'file')} equal: they stay as they are.`,
    `${count(onlyHere, 'file')} only here: they go to ${other}.`,
    `${count(onlyThere, 'file')} only on ${other}: they come here.`,
    `${count(different, 'file')} different: both versions are kept${different > 0 ? ', such as of:' : '.'}`,
    ...shown,
  ];
}
