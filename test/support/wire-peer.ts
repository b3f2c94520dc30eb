import { join } from 'node:path';
import {
  createDeviceKey,
  type DeviceIdentity,
  decodeTicket,
  redeemProof,
  ticketId,
} from '../../packages/crypto/src/index.js';
import { decodePayload, encodePayload } from '../../packages/daemon/src/core/wire/codec.js';
import { ALPN, PAIRING_ALPN, StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import type { FolderState, Frame, FrameOf } from '../../packages/daemon/src/core/wire/frames.js';
import { frameLimit } from '../../packages/daemon/src/core/wire/limits.js';
import {
  type BidiStream,
  type CloseInfo,
  type Connection,
  createQuicEndpoint,
  type Endpoint,
  encodeFrame,
  type ReceiveStream,
  readFrames,
  type SendStream,
} from '../../packages/quic/src/index.js';
import type { TestDevice } from './test-device.js';

const CLOSE_TIMEOUT_MS = 15_000;
const FRAME_TIMEOUT_MS = 10_000;

/** Takes whoever answers: tests look at what the daemon checks, not at what it is checked with. */
const acceptAnybody = () => ({ accepted: true, identity: { key: 'daemon' } }) as const;

/** A device that speaks the protocol by hand, so that it can break it. */
export class WirePeer {
  private constructor(
    readonly identity: DeviceIdentity,
    readonly endpoint: Endpoint,
  ) {}

  static async create(directory: string): Promise<WirePeer> {
    const identity = createDeviceKey(join(directory, 'wire-peer-key.pem'));
    const endpoint = await createQuicEndpoint({
      listen: { host: '127.0.0.1', port: 0 },
      credentials: { keyPem: identity.keyPem, certificatePem: identity.certificatePem },
      verifyPeer: acceptAnybody,
    });
    return new WirePeer(identity, endpoint);
  }

  get id(): string {
    return this.identity.deviceId;
  }

  async close(): Promise<void> {
    await this.endpoint.close(0, 'done');
  }

  connect(device: TestDevice, alpn: string = ALPN): Promise<Connection> {
    return this.endpoint.connect(
      { host: '127.0.0.1', port: device.port },
      { alpn, verifyPeer: acceptAnybody },
    );
  }

  /** Redeems a ticket as a well-behaved device does, and resolves with the answer. */
  async redeem(device: TestDevice, ticketText: string, changeProof = false): Promise<Frame> {
    const ticket = decodeTicket(ticketText);
    const connection = await this.connect(device, PAIRING_ALPN);
    const proof = Uint8Array.from(
      redeemProof(ticket.secret, 'accepter', ticket.inviter, this.identity.deviceId),
    );
    if (changeProof) proof[0] = (proof[0] ?? 0) ^ 1;
    const stream = await connection.openBidi();
    await sendKind(stream, StreamKind.pairing);
    await sendFrame(stream, {
      type: 'redeem',
      ticketId: ticketId(ticket.secret),
      proof,
      name: 'wire peer',
      listenPort: undefined,
    });
    for await (const frame of framesOf(stream, StreamKind.pairing)) {
      await connection.close(0, 'done');
      return frame;
    }
    throw new Error('The daemon closed the pairing stream without an answer.');
  }

  /** A connection on which the handshake is done, as a paired device with these folders. */
  async open(
    device: TestDevice,
    folders: readonly FolderState[] = [],
    role: 'primary' | 'data' = 'primary',
  ): Promise<WireSession> {
    const session = new WireSession(await this.connect(device));
    await session.handshake(folders, role);
    return session;
  }
}

/** A connection to a daemon: its frames as they come, and streams to write anything to. */
export class WireSession {
  readonly received: Frame[] = [];
  #control: SendStream | undefined;
  #waiting: (() => void)[] = [];

  constructor(readonly connection: Connection) {
    connection.onStream((stream) => {
      const reading = stream.kind === 'uni' ? this.#readUni(stream) : Promise.resolve();
      reading.catch(() => {});
    });
  }

  get control(): SendStream {
    if (this.#control === undefined) throw new Error('The handshake has not begun.');
    return this.#control;
  }

  async handshake(folders: readonly FolderState[], role: 'primary' | 'data' = 'primary'): Promise<void> {
    await this.openControl();
    await sendFrame(this.control, {
      type: 'hello',
      versions: [1],
      bootId: '0123456789abcdef',
      role,
      name: 'wire peer',
      software: 'test',
      features: [],
    });
    await this.next('helloAck');
    await sendFrame(this.control, { type: 'auth', folders });
    await this.next('authOk');
    for (const { folder } of folders) await this.#untilShared(folder);
  }

  /** A folder that was just added may come up after the handshake. */
  async #untilShared(folder: string): Promise<void> {
    await this.#seen((frame) => {
      if (frame.type === 'authOk') return frame.folders.some((state) => state.folder === folder);
      return (frame.type === 'folderOffer' || frame.type === 'folderAccept') && frame.state.folder === folder;
    }, `share of ${folder}`);
  }

  async openControl(): Promise<SendStream> {
    this.#control = await this.connection.openUni();
    await sendKind(this.#control, StreamKind.control);
    return this.#control;
  }

  /** An index stream that has said which folder and index it is about. */
  async openIndex(state: FolderState): Promise<SendStream> {
    const stream = await this.connection.openUni();
    await stream.write(Uint8Array.of(StreamKind.indexShard, 0));
    const { folder, indexId } = state;
    await sendFrame(stream, { type: 'indexStart', folder, indexId, afterSequence: 0 });
    return stream;
  }

  /** The first frame of this type, which may have come already. */
  async next<T extends Frame['type']>(type: T): Promise<FrameOf<T>> {
    return (await this.#seen((frame) => frame.type === type, `${type} frame`)) as FrameOf<T>;
  }

  async #seen(wanted: (frame: Frame) => boolean, what: string): Promise<Frame> {
    const deadline = AbortSignal.timeout(FRAME_TIMEOUT_MS);
    for (;;) {
      const found = this.received.find(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        deadline.addEventListener('abort', () =>
          reject(new Error(`No ${what} within ${FRAME_TIMEOUT_MS} ms.`)),
        );
        void this.connection.closed.then((info) => reject(new Error(`Closed: ${JSON.stringify(info)}`)));
      });
    }
  }

  /** How the connection ended; fails when it goes on. */
  async closed(): Promise<CloseInfo> {
    const timer = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
    return await new Promise((resolve, reject) => {
      timer.addEventListener('abort', () => reject(new Error('The daemon did not close the connection.')));
      void this.connection.closed.then(resolve);
    });
  }

  async #readUni(stream: ReceiveStream): Promise<void> {
    const first = await stream.read();
    if (first === null) return;
    const kind = first[0] ?? -1;
    const rest = first.subarray(kind === StreamKind.indexShard ? 2 : 1);
    for await (const frame of framesOf(stream, kind, rest)) {
      this.received.push(frame);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }
}

/** Answers chunk requests of the daemon with these contents, by hash. */
export function serveChunks(connection: Connection, chunks: ReadonlyMap<string, Uint8Array>): void {
  connection.onStream((stream) => {
    if (stream.kind === 'bidi') serveStream(stream, chunks).catch(() => {});
  });
}

async function serveStream(stream: BidiStream, chunks: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const first = (await stream.read()) ?? new Uint8Array();
  for await (const frame of framesOf(stream, StreamKind.chunks, first.subarray(1))) {
    if (frame.type !== 'chunkRequest') continue;
    for (const [index, hash] of frame.chunks.entries()) {
      const bytes = chunks.get(hash);
      const { requestId } = frame;
      await sendFrame(
        stream,
        bytes === undefined
          ? { type: 'chunkMissing', requestId, index }
          : { type: 'chunk', requestId, index, bytes },
      );
    }
  }
}

export async function sendKind(stream: SendStream, kind: number): Promise<void> {
  await stream.write(Uint8Array.of(kind));
}

export async function sendFrame(stream: SendStream, frame: Frame): Promise<void> {
  const { frameType, payload } = encodePayload(frame);
  await stream.write(encodeFrame(frameType, payload));
}

/** A frame with bytes of its payload replaced by others of the same length: what our own encoder would not make. */
export async function sendForgedFrame(
  stream: SendStream,
  frame: Frame,
  from: string,
  to: string,
): Promise<void> {
  if (from.length !== to.length) throw new Error('A forged text has the length of the true one.');
  const { frameType, payload } = encodePayload(frame);
  const at = Buffer.from(payload).indexOf(from);
  if (at === -1) throw new Error(`The frame does not contain '${from}'.`);
  const forged = Uint8Array.from(payload);
  forged.set(Buffer.from(to), at);
  await stream.write(encodeFrame(frameType, forged));
}

async function* framesOf(
  stream: Pick<ReceiveStream, 'read'>,
  kind: number,
  first?: Uint8Array,
): AsyncGenerator<Frame> {
  for await (const raw of readFrames(stream, (type) => frameLimit(kind, type), first)) {
    const frame = decodePayload(raw.type, raw.payload);
    if (frame !== undefined) yield frame;
  }
}
