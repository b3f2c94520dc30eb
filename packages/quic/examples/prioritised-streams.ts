/**
 * A small urgent message does not wait behind large data that was written before it: streams have an urgency.
 *
 *     node packages/quic/dist/examples/prioritised-streams.js
 */
import { type IncomingStream, Priority, StreamReader } from '@landropic/quic';
import { connectTwoEndpoints } from './two-endpoints.js';

const BULK_BYTES = 64 * 1024 * 1024;
const MESSAGES = 20;

const { dialled, accepted, close } = await connectTwoEndpoints();
let bulkReceived = 0;
const received: Promise<void>[] = [];
accepted.onStream((stream) => {
  received.push(stream.kind === 'bidi' ? giveBack(stream) : countBytes(stream));
});

// Everything is handed over at once and waits in the queue of its stream, in order of urgency.
const bulk = await dialled.openUni({ urgency: Priority.background });
const isWritten = bulk.write(new Uint8Array(BULK_BYTES));

const urgent = await dialled.openBidi({ urgency: Priority.critical });
const reader = new StreamReader(urgent);
const roundTripsMs: number[] = [];
for (let i = 0; i < MESSAGES; i++) {
  const sentAtMs = performance.now();
  await urgent.write(Uint8Array.of(i));
  await reader.readExactly(1);
  roundTripsMs.push(performance.now() - sentAtMs);
}
const median = roundTripsMs.sort((a, b) => a - b)[MESSAGES / 2] ?? 0;
console.log(`${MESSAGES} urgent round trips, ${median.toFixed(1)} ms in the middle`);
console.log(`${Math.round((100 * bulkReceived) / BULK_BYTES)} % of the background data had come by then`);

await isWritten;
await Promise.all([urgent.finish(), bulk.finish()]);
// What was handed over may still be on its way; the other side has it when it has read to the end.
await Promise.all(received);
await close();

async function giveBack(stream: IncomingStream & { readonly kind: 'bidi' }): Promise<void> {
  // The answer is as urgent as the question; each side says so for what it sends.
  stream.setUrgency(Priority.critical);
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    await stream.write(bytes);
  }
  await stream.finish();
}

async function countBytes(stream: IncomingStream & { readonly kind: 'uni' }): Promise<void> {
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    bulkReceived += bytes.length;
  }
}
