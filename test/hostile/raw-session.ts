import { encodePayload } from '../../packages/daemon/src/core/wire/codec.js';
import { ALPN, FrameType, StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import type { FolderState, Frame } from '../../packages/daemon/src/core/wire/frames.js';
import { encodeFrame, FrameDecoder } from '../../packages/quic/src/index.js';
import type { AttackStage } from './attack-stage.js';
import { RawPeer, type RawPeerOptions } from './raw-peer.js';

/** The streams of a dialler, as QUIC numbers them. */
export const CONTROL_STREAM = 2;
const DAEMON_CONTROL_STREAM = 3;
const SESSION_MS = 5_000;

/** The n-th unidirectional stream besides control, and the n-th bidirectional one. */
export const uniStream = (n: number): number => CONTROL_STREAM + 4 * (n + 1);
export const bidiStream = (n: number): number => 4 * n;

export function frameBytes(frame: Frame): Uint8Array {
  const { frameType, payload } = encodePayload(frame);
  return encodeFrame(frameType, payload);
}

/** A connection of the paired enemy, made of quiche alone, on which nothing was said yet. */
export function connectRaw(
  { victim, enemy }: AttackStage,
  options: Partial<RawPeerOptions> = {},
): Promise<RawPeer> {
  return RawPeer.connect({ port: victim.port, credentials: enemy.identity, alpn: ALPN, ...options });
}

/** The same after the handshake of the protocol, which went as it should. */
export async function openRawSession(
  stage: AttackStage,
  folders: readonly FolderState[] = [],
  options: Partial<RawPeerOptions> = {},
): Promise<RawPeer> {
  const peer = await connectRaw(stage, options);
  const seen = new Set<number>();
  const decoder = new FrameDecoder(() => 2 ** 20);
  let isKindRead = false;
  const read = (): void => {
    const buffer = Buffer.allocUnsafe(65_536);
    try {
      for (;;) {
        const result = peer.quiche.streamRecv(DAEMON_CONTROL_STREAM, buffer);
        if (result === null) return;
        const bytes = Uint8Array.from(buffer.subarray(isKindRead ? 0 : 1, result[0]));
        isKindRead = true;
        for (const { type } of decoder.push(bytes)) seen.add(type);
      }
    } catch {
      // Nothing there.
    }
  };
  const until = async (type: number): Promise<void> => {
    const deadline = performance.now() + SESSION_MS;
    for (read(); !seen.has(type); read()) {
      if (peer.isClosed || performance.now() > deadline) {
        peer.end();
        throw new Error(`The daemon sent no frame of type ${type}; it closed with ${peer.closeCode}.`);
      }
      await peer.nextPacket();
    }
  };
  const bootId = `raw-${Math.random()}`;
  peer.send(CONTROL_STREAM, Uint8Array.of(StreamKind.control));
  const hello = { versions: [1], bootId, name: 'raw peer', software: 'test', features: [] };
  peer.send(CONTROL_STREAM, frameBytes({ type: 'hello', role: 'primary', ...hello }));
  peer.flush();
  await until(FrameType.helloAck);
  peer.send(CONTROL_STREAM, frameBytes({ type: 'auth', folders }));
  peer.flush();
  await until(FrameType.authOk);
  return peer;
}
