import { datagrams, packetHeaders, requests } from './datagram-and-rpc-targets.js';
import { rawStreams, structuredStreams } from './frame-decoder-target.js';
import type { FuzzTarget } from './fuzz-target.js';
import { alteredFrames, damagedFrames, rawPayloads, structuredPayloads } from './payload-targets.js';
import { handshakes, indexFrames } from './receiver-targets.js';

/** Everything that reads what a peer sent. */
export const targets: readonly FuzzTarget[] = [
  structuredStreams,
  rawStreams,
  rawPayloads,
  structuredPayloads,
  damagedFrames,
  alteredFrames,
  indexFrames,
  handshakes,
  datagrams,
  packetHeaders,
  requests,
];
