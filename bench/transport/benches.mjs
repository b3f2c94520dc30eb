// Every benchmark of the transport: what it measures, its target on a 2-core machine, and through which links.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { holdManyConnections, holdManyStreams, watchIdleConnections } from './costs.mjs';

const BINDING_LIMIT = fileURLToPath(new URL('./binding-limit.mjs', import.meta.url));
const LOOPBACK = ['loopback'];
const CABLES = ['loopback', 'veth-1g', 'veth-1g-1ms', 'veth-100m'];
const EVERYWHERE = ['loopback', 'veth-1g', 'veth-100m'];
const MTU_BYTES = { maxPacketBytes: 1_350 };

export const BENCHES = [
  ...[1_350, 16_383].map((packetBytes) => ({
    name: packetBytes === 1_350 ? 'binding-1350' : 'binding-loopback-mtu',
    unit: 'MB/s',
    diallers: 0,
    links: LOOPBACK,
    target: {},
    measure: () => measureBinding(packetBytes),
  })),
  ...['dgram', 'native'].map((datagramIo) => ({
    ...throughput(`stream-1350-${datagramIo}`, { streams: 1, writeBytes: 65_536 }),
    endpoint: { ...MTU_BYTES, datagramIo },
    links: CABLES,
    target: { loopback: datagramIo === 'dgram' ? 150 : 320 },
    totalBytes: { loopback: 300e6, 'veth-1g': 300e6, 'veth-1g-1ms': 300e6, 'veth-100m': 30e6 },
  })),
  {
    ...throughput('streams-100-loopback', { streams: 100, writeBytes: 262_144 }),
    links: LOOPBACK,
    target: { loopback: 1_000 },
    totalBytes: { loopback: 1e9 },
  },
  {
    ...throughput('stream-loopback-mtu', { streams: 1, writeBytes: 262_144 }),
    links: LOOPBACK,
    target: {},
    totalBytes: { loopback: 1e9 },
  },
  messages('messages-1k', { count: 200_000, sizeBytes: 1_024 }, { loopback: 50_000, 'veth-1g': 50_000 }),
  messages('messages-64k', { count: 10_000, sizeBytes: 65_536 }, { loopback: 10_000 }),
  {
    ...measured('stream-open', 'µs', 'openStreams', { batches: 20, streams: 500 }),
    isLowerBetter: true,
    links: EVERYWHERE,
    target: { loopback: 100, 'veth-1g': 100, 'veth-100m': 100 },
  },
  {
    ...measured('stream-first-byte', 'ms', 'firstBytes', { count: 1_000 }),
    isLowerBetter: true,
    links: EVERYWHERE,
    target: { loopback: 1, 'veth-1g': 1, 'veth-100m': 1 },
  },
  {
    ...measured('connect-0rtt', 'ms', 'resume', { count: 100 }),
    isLowerBetter: true,
    links: EVERYWHERE,
    target: { loopback: 1, 'veth-1g': 1, 'veth-100m': 1 },
  },
  {
    ...measured('streams-concurrent', 'streams', 'openAtOnce', { streams: 1_024 }),
    links: EVERYWHERE,
    target: { loopback: 1_000, 'veth-1g': 1_000, 'veth-100m': 1_000 },
  },
  {
    name: 'connections-concurrent',
    unit: 'connections',
    rounds: 1,
    diallers: 4,
    links: LOOPBACK,
    target: { loopback: 10_000 },
    measure: (ends) => holdManyConnections(ends, { connections: 10_000 }),
  },
  {
    name: 'memory-per-connection',
    unit: 'KiB',
    rounds: 1,
    isLowerBetter: true,
    links: LOOPBACK,
    target: { loopback: 256 },
    measure: (ends) =>
      holdManyConnections(ends, { connections: 1_000 }).then(({ memoryKib, answered, elapsedS }) => ({
        value: memoryKib,
        connections: answered,
        elapsedS,
      })),
  },
  {
    name: 'memory-per-stream',
    unit: 'KiB',
    rounds: 1,
    isLowerBetter: true,
    links: LOOPBACK,
    target: { loopback: 16 },
    measure: (ends) => holdManyStreams(ends, { connections: 10, streams: 1_000 }),
  },
  {
    name: 'cpu-idle-connection',
    unit: '% of a core',
    rounds: 1,
    isLowerBetter: true,
    links: LOOPBACK,
    target: {},
    measure: (ends) => watchIdleConnections(ends, { connections: 200, seconds: 20 }),
  },
];

function measured(name, unit, how, details) {
  return {
    name,
    unit,
    measure: ({ diallers: [dialler], target }) => dialler.call('measure', how, target, details),
  };
}

function messages(name, { count, sizeBytes }, target) {
  const ofLink = { 'veth-1g': 1, 'veth-100m': 0.1 };
  return {
    name,
    unit: '1/s',
    links: EVERYWHERE,
    target,
    measure: ({ diallers: [dialler], target: remote, link }) => {
      const most = 250e6 * (ofLink[link.name] ?? Number.POSITIVE_INFINITY);
      const details = { count: Math.min(count, Math.ceil(most / sizeBytes)), sizeBytes };
      return dialler.call('measure', 'sendMessages', remote, details);
    },
  };
}

function throughput(name, { streams, writeBytes }) {
  return {
    name,
    unit: 'MB/s',
    async measure({ diallers: [dialler], target, link, bench }) {
      const dropsBefore = link.readDrops();
      const totalBytes = bench.totalBytes[link.name];
      const result = await dialler.call('measure', 'uploadAll', target, { streams, totalBytes, writeBytes });
      const { value, elapsedS, packetsOut, packetsLost, bytesOut, packetSizeBytes } = result;
      return {
        value,
        lostPercent: round((100 * packetsLost) / packetsOut),
        packetSizeBytes,
        ...(link.megabitsPerSecond === undefined
          ? {}
          : {
              linkPercent: round(usedPercent(link, { packetsOut, packetsLost, bytesOut, elapsedS })),
              droppedByLink: link.readDrops() - dropsBefore,
            }),
      };
    },
  };
}

/** No more than the slower end can, however little else is done. */
async function measureBinding(packetBytes) {
  const { stdout } = await promisify(execFile)(process.execPath, [BINDING_LIMIT, String(packetBytes)]);
  const { sendMBps, receiveMBps } = JSON.parse(stdout);
  return {
    value: Math.min(sendMBps, receiveMBps),
    sendMBps: Math.round(sendMBps),
    receiveMBps: Math.round(receiveMBps),
  };
}

const FRAME_OVERHEAD_BYTES = 42;

/** How much of the link packets took that were not lost, headers of Ethernet, IP and UDP included. */
function usedPercent({ megabitsPerSecond }, { packetsOut, packetsLost, bytesOut, elapsedS }) {
  const arrived = 1 - packetsLost / packetsOut;
  const bits = 8 * arrived * (bytesOut + packetsOut * FRAME_OVERHEAD_BYTES);
  return (100 * bits) / (elapsedS * megabitsPerSecond * 1e6);
}

function round(value) {
  return Number(value.toPrecision(3));
}
