import type { Result } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { Option } from 'commander';
import { type App, addCommand, addGroup, type CommandContext } from '../app.js';
import { parseDurationMs } from '../duration.js';
import { readTicket } from '../read-ticket.js';
import { renderQrCode } from '../render/qr-code.js';
import { formatDuration } from '../render/quantity.js';
import { printable } from '../render/text.js';

/** Dialling every address of the ticket, one handshake each. */
const ACCEPT_TIMEOUT_MS = 60_000;
/** After the ticket's end the daemon is the one to say that it expired. */
const GRACE_MS = 5_000;

export function addPairCommands(program: Command, app: App): void {
  const group = addGroup(program, 'pair', {
    description: 'Let another device and this one know each other.',
    examples: ['landropic pair invite', 'landropic pair accept < ticket.txt'],
  });
  addInvite(group, app);
  addAccept(group, app);
}

function addInvite(group: Command, app: App): void {
  addCommand(group, 'invite', {
    description: 'Print a one-time ticket for one other device. Treat it like a password until it is used.',
    examples: [
      'landropic pair invite',
      'landropic pair invite --ttl 2m',
      'landropic pair invite | ssh desktop landropic pair accept',
    ],
  })
    .addOption(
      new Option('--ttl <duration>', 'how long it can be used')
        .argParser(parseDurationMs)
        .default(undefined, '10m'),
    )
    .addHelpText(
      'after',
      `
The ticket is the last line of stdout. On a terminal its QR code is shown too,
and the command stays to say who used it; Ctrl-C leaves the ticket valid.`,
    )
    .action(
      app.action<{ ttl?: number }>(async (context, { ttl }) => {
        const { output, json, call } = context;
        const invitation = await call('pair.invite', ttl === undefined ? {} : { ttlMs: ttl });
        if (json) return output.printJson(invitation);
        const validMs = Date.parse(invitation.expiresAt) - Date.now();
        if (output.isTerminal) output.print(...renderQrCode(invitation.ticket, output.columns), '');
        output.print(
          `This ticket pairs one device within ${formatDuration(Math.ceil(validMs / 1_000) * 1_000)}. On the other device: landropic pair accept`,
          invitation.ticket,
        );
        if (output.isTerminal) await follow(context, invitation, validMs);
      }),
    );
}

/** Stays until somebody redeems the ticket. Leaving changes nothing about it. */
async function follow(
  { output, call }: CommandContext,
  invitation: Result<'pair.invite'>,
  validMs: number,
): Promise<void> {
  output.progress('Waiting for the other device; Ctrl-C leaves the ticket valid.');
  const paired = await call(
    'pair.follow',
    { ticketId: invitation.ticketId },
    {
      timeoutMs: Math.max(validMs, 0) + GRACE_MS,
      onEvent: ({ wrongProofFrom }) =>
        output.note(
          output.styleNote(
            'yellow',
            `A device at ${printable(wrongProofFrom)} tried this ticket with a wrong proof.`,
          ),
        ),
    },
  );
  output.note(
    `Paired with ${output.styleNote('bold', printable(paired.name))}: ${paired.id}`,
    `Next: 'landropic folder add PATH --share ${printable(paired.name)}'.`,
  );
}

function addAccept(group: Command, app: App): void {
  addCommand(group, 'accept', {
    description: 'Read a ticket from stdin or a prompt, and pair with the device that made it.',
    examples: ['landropic pair accept', 'landropic pair accept < ticket.txt'],
  })
    .addHelpText('after', '\nA ticket is a secret, so it is never taken from the command line.')
    .action(
      app.action(async ({ output, json, call, stdin, signal }) => {
        const ticket = await readTicket(stdin, output, signal);
        output.progress('Connecting…');
        const paired = await call('pair.accept', { ticket }, { timeoutMs: ACCEPT_TIMEOUT_MS });
        if (json) return output.printJson(paired);
        output.print(`Paired with ${output.style('bold', printable(paired.name))}: ${paired.id}`);
        output.note(`Next: 'landropic folder add PATH --share ${printable(paired.name)}'.`);
      }),
    );
}
