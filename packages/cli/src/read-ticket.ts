import { createInterface } from 'node:readline/promises';
import { Failure } from './failure.js';
import type { Output } from './render/output.js';

const MAX_INPUT_CHARACTERS = 64 * 1024;

/**
 * The ticket from stdin: typed at a prompt, or the last one in what another program writes, so that the whole output of
 * `pair invite` can be piped in. Lines that a mail program broke are left to the daemon, which joins them.
 */
export async function readTicket(
  stdin: NodeJS.ReadStream,
  output: Output,
  signal: AbortSignal,
): Promise<string> {
  const text = stdin.isTTY === true ? await prompt(stdin, output, signal) : await readAll(stdin);
  const start = text.toLowerCase().lastIndexOf('landropic1:');
  const ticket = (start === -1 ? text : text.slice(start)).trim();
  if (ticket !== '') return ticket;
  throw new Failure(
    'usage',
    'There was no ticket on stdin.',
    "Make one with 'landropic pair invite' on the other device, and paste it here.",
  );
}

async function prompt(stdin: NodeJS.ReadStream, output: Output, signal: AbortSignal): Promise<string> {
  output.note("Paste the ticket that 'landropic pair invite' printed on the other device:");
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    return await lines.question('', { signal });
  } finally {
    lines.close();
  }
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  let text = '';
  stdin.setEncoding('utf8');
  for await (const part of stdin) {
    text += String(part);
    if (text.length > MAX_INPUT_CHARACTERS)
      throw new Failure('usage', 'What stands on stdin is too long for a ticket.');
  }
  return text;
}
