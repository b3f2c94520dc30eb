import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { type App, addCommand } from '../app.js';
import { formatRoundTrip } from '../render/quantity.js';
import { printable } from '../render/text.js';

const MAX_PINGS = 100;
const TIMEOUT_PER_PING_MS = 15_000;

export function addPingCommand(program: Command, app: App): void {
  addCommand(program, 'ping <device>', {
    description: 'Measure the round trip to a connected device.',
    examples: ['landropic ping desktop', 'landropic ping desktop --count 10'],
  })
    .option('--count <n>', `how many times, at most ${MAX_PINGS}`, parseCount, 4)
    .action(
      app.action<{ count: number }, [string]>(async ({ output, json, call }, { count }, device) => {
        const result = await call(
          'ping',
          { device, count },
          {
            timeoutMs: count * TIMEOUT_PER_PING_MS,
            onEvent: ({ roundTripMs }) => {
              if (!json) output.print(formatRoundTrip(roundTripMs));
            },
          },
        );
        if (json) return output.printJson(result);
        const sorted = [...result.roundTripsMs].sort((a, b) => a - b);
        const middle = sorted[Math.floor(sorted.length / 2)] ?? 0;
        const last = sorted.at(-1) ?? 0;
        output.print(
          `${printable(result.name)}: best ${formatRoundTrip(sorted[0] ?? 0)}, ` +
            `median ${formatRoundTrip(middle)}, worst ${formatRoundTrip(last)}`,
        );
      }),
    );
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_PINGS) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_PINGS}.`);
  }
  return value;
}
