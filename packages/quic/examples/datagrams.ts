/**
 * Messages that may be lost: where only the newest counts, waiting for an old one to be repeated would be a waste. The
 * receiver tells by a counter which are stale.
 *
 *     node packages/quic/dist/examples/datagrams.js
 */
import { connectTwoEndpoints } from './two-endpoints.js';

/** The first byte of a datagram is 0x80 or above: those below belong to the transport. */
const READING = 0x80;
const LAST = 200;

const { dialled, accepted, close } = await connectTwoEndpoints();
const { datagrams } = dialled;
if (datagrams === undefined) throw new Error('this transport has no datagrams');

let newest = 0;
let received = 0;
const seenAll = new Promise<void>((resolve) => {
  accepted.datagrams?.onDatagram((bytes) => {
    const { counter, celsius } = decode(bytes);
    if (counter <= newest) return;
    newest = counter;
    received += 1;
    if (counter === LAST) console.log(`reading ${counter}: ${celsius.toFixed(1)} °C`);
    if (counter >= LAST) resolve();
  });
});

let sent = 0;
let dropped = 0;
const timer = setInterval(() => {
  sent += 1;
  // False when it went nowhere: too large, or too many wait already. Nobody is told of one that is lost on the way.
  if (!datagrams.send(encode(sent, 20 + sent / 100))) dropped += 1;
}, 1);
await seenAll;
clearInterval(timer);
console.log(
  `${received} readings used of ${sent} sent, ${dropped} dropped here; at most ${datagrams.maxBytes} bytes each`,
);
await close();

function encode(counter: number, celsius: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(READING, 0);
  bytes.writeUInt32BE(counter, 1);
  bytes.writeFloatBE(celsius, 5);
  return bytes;
}

function decode(bytes: Uint8Array): { counter: number; celsius: number } {
  const view = Buffer.from(bytes);
  return { counter: view.readUInt32BE(1), celsius: view.readFloatBE(5) };
}
