import { parseQuicheError } from '../error-parsing.js';
import type { QuicheConnection } from '../quiche-binding.js';
import type { PacketSize, Probe } from './packet-size.js';

/**
 * Probes travel as QUIC datagrams whose first byte is below 0x80; those from 0x80 on belong to the application.
 * Probe: 0x01 · id u16 · size u16 · zeros up to the size. Answer: 0x02 · id u16 · size u16.
 */
const PROBE = 0x01;
const ANSWER = 0x02;
const HEAD_BYTES = 5;
/** Short header with a 16-byte connection ID, packet number, frame header and tag, and a little to spare. */
const PACKET_OVERHEAD_BYTES = 42;

/** Queues the probe in quiche; false when the peer takes no datagrams. */
export function queueProbe(quiche: QuicheConnection, probe: Probe): boolean {
  const datagram = Buffer.alloc(probe.sizeBytes - PACKET_OVERHEAD_BYTES);
  writeHead(datagram, PROBE, probe.id, probe.sizeBytes);
  return trySend(quiche, datagram);
}

export function purgeProbes(quiche: QuicheConnection): void {
  quiche.dgramPurgeOutgoing((datagram) => datagram[0] === PROBE);
}

/** Takes a datagram of the transport's own: answers a probe, or learns from an answer. */
export function handleTransportDatagram(
  quiche: QuicheConnection,
  packetSize: PacketSize,
  datagram: Uint8Array,
): void {
  if (datagram.length < HEAD_BYTES) return;
  const view = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const id = view.readUInt16BE(1);
  const sizeBytes = view.readUInt16BE(3);
  if (datagram[0] === ANSWER) {
    packetSize.handleAnswer(id, sizeBytes, performance.now());
  } else if (datagram[0] === PROBE) {
    const answer = Buffer.alloc(HEAD_BYTES);
    writeHead(answer, ANSWER, id, sizeBytes);
    trySend(quiche, answer);
  }
}

export function isTransportDatagram(datagram: Uint8Array): boolean {
  return (datagram[0] ?? 0) < 0x80;
}

function writeHead(datagram: Buffer, kind: number, id: number, sizeBytes: number): void {
  datagram[0] = kind;
  datagram.writeUInt16BE(id, 1);
  datagram.writeUInt16BE(sizeBytes, 3);
}

/** A full queue or a peer without datagrams: what is sent here may be lost anyway. */
function trySend(quiche: QuicheConnection, datagram: Uint8Array): boolean {
  try {
    quiche.dgramSend(datagram);
    return true;
  } catch (error) {
    return parseQuicheError(error).kind === 'done';
  }
}
