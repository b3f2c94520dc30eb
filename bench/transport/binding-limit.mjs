// What the QUIC binding alone can carry, as a limit to hold the figures of streams against: both ends in one thread, no
// socket, no streams of ours. Time is taken for each end apart, as if it had a core to itself.
// Run as a process: binding-limit.mjs <packet bytes>   prints { "sendMBps": n, "receiveMBps": n }

import { quiche } from '../../packages/quic/dist/driver/quiche-binding.js';
import { buildQuicheConfig } from '../../packages/quic/dist/driver/tls-config.js';
import { fileSync } from '../../packages/quic/dist/index.js';
import { createSelfSignedCredentials } from '../../packages/quic/dist/testing/index.js';

const TOTAL_BYTES = 300e6;
const WRITE_BYTES = 65_536;
const PACKETS_AT_ONCE = 256;
const HERE = { host: '127.0.0.1', port: 1 };
const SENDER = { host: '127.0.0.1', port: 2 };
const RECEIVER = { host: '127.0.0.1', port: 3 };

const packetBytes = Number(process.argv[2]);
const packets = Array.from({ length: PACKETS_AT_ONCE }, () => Buffer.alloc(packetBytes));
const lengths = new Array(PACKETS_AT_ONCE).fill(0);

function makeEnds() {
  const config = () => {
    const made = buildQuicheConfig(createSelfSignedCredentials(), fileSync);
    made.setApplicationProtos(['bench/1']);
    made.setMaxSendUdpPayloadSize(packetBytes);
    return made;
  };
  const id = (first) => Buffer.alloc(16, first);
  return {
    sender: quiche.Connection.connect(null, id(1), HERE, RECEIVER, config()),
    receiver: quiche.Connection.accept(id(2), null, HERE, SENDER, config()),
  };
}

/** Takes packets out, as many as there are and room is for. Returns how many. */
function takePackets(from) {
  let count = 0;
  for (; count < PACKETS_AT_ONCE; count++) {
    const result = from.send(packets[count]);
    if (result === null) break;
    lengths[count] = result[0];
  }
  return count;
}

function givePackets(to, count, from) {
  const info = { from, to: HERE };
  for (let i = 0; i < count; i++) to.recv(packets[i].subarray(0, lengths[i]), info);
}

function carry(sender, receiver) {
  const bytes = Buffer.alloc(WRITE_BYTES, 0x5a);
  const into = Buffer.alloc(1 << 20);
  let received = 0;
  let sendMs = 0;
  let receiveMs = 0;
  let at = performance.now();
  const lap = () => {
    const since = at;
    at = performance.now();
    return at - since;
  };
  while (received < TOTAL_BYTES) {
    while ((sender.streamSend(0, bytes, false) ?? 0) === WRITE_BYTES);
    const out = takePackets(sender);
    sendMs += lap();
    givePackets(receiver, out, SENDER);
    for (let result = receiver.streamRecv(0, into); result !== null; result = readMore(receiver, into))
      received += result[0];
    const back = takePackets(receiver);
    receiveMs += lap();
    givePackets(sender, back, RECEIVER);
    sendMs += lap();
  }
  return { sendMBps: received / 1e3 / sendMs, receiveMBps: received / 1e3 / receiveMs };
}

/** The binding throws where nothing is there to be read yet. */
function readMore(receiver, into) {
  return receiver.streamReadable(0) ? receiver.streamRecv(0, into) : null;
}

const { sender, receiver } = makeEnds();
for (let moved = 1; moved > 0; ) {
  const out = takePackets(sender);
  givePackets(receiver, out, SENDER);
  const back = takePackets(receiver);
  givePackets(sender, back, RECEIVER);
  moved = out + back;
}
console.log(JSON.stringify(carry(sender, receiver)));
