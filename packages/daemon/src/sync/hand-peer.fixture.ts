import { type CloseInfo, type Connection, encodeFrame, readFrames, type SendStream } from '@landropic/quic';
import { decodePayload, encodePayload } from '../core/wire/codec.js';
import type { FieldList } from '../core/wire/frame-codec.js';
import { ALPN, StreamKind } from '../core/wire/frame-types.js';
import type { FolderState, Frame, FrameOf } from '../core/wire/frames.js';
import { frameLimit } from '../core/wire/limits.js';
import { dial, type MemoryDevice, type MemoryDevices } from './memory-devices.fixture.js';

/** A stream that a test writes on, frame by frame or byte by byte. */
export class HandStream {
  constructor(readonly stream: SendStream) {}

  async send(frame: Frame, extra: FieldList = []): Promise<void> {
    const { frameType, payload } = encodePayload(frame, extra);
    await this.stream.write(encodeFrame(frameType, payload));
  }

  write(...bytes: number[]): Promise<void> {
    return this.stream.write(Uint8Array.from(bytes));
  }
}

/** A device that speaks the protocol by hand, so that it can break it. */
export class HandPeer {
  readonly received: Frame[] = [];
  /** The same by stream, in the order in which the streams were opened, and whether each has ended. */
  readonly streams: { readonly kind: number; readonly frames: Frame[]; isEnded: boolean }[] = [];
  /** Types of frames that nobody knows. */
  readonly skipped: number[] = [];
  private controlStream: HandStream | undefined;

  private constructor(
    readonly connection: Connection,
    private readonly devices: MemoryDevices,
  ) {
    connection.onStream((stream) => {
      void this.read(stream).catch(() => {});
    });
  }

  static async dial(devices: MemoryDevices, from: MemoryDevice, to: MemoryDevice): Promise<HandPeer> {
    const dialling = dial(from.endpoint, to.address, ALPN);
    await devices.settle();
    return new HandPeer(await dialling, devices);
  }

  static over(devices: MemoryDevices, connection: Connection): HandPeer {
    return new HandPeer(connection, devices);
  }

  get control(): HandStream {
    if (this.controlStream === undefined) throw new Error('the handshake has not begun');
    return this.controlStream;
  }

  /** As the dialler of the connection. */
  async handshake(
    folders: readonly FolderState[],
    change: { readonly role?: 'primary' | 'data'; readonly bootId?: string } = {},
  ): Promise<void> {
    this.controlStream = await this.openUni(StreamKind.control);
    const { role = 'primary', bootId = 'boot of hand' } = change;
    const name = 'hand';
    await this.control.send({
      type: 'hello',
      versions: [1],
      bootId,
      role,
      name,
      software: 't',
      features: [],
    });
    await this.devices.settle();
    await this.control.send({ type: 'auth', folders });
    await this.devices.settle();
  }

  async openUni(...first: number[]): Promise<HandStream> {
    const stream = new HandStream(await this.connection.openUni());
    if (first.length > 0) await stream.write(...first);
    return stream;
  }

  /** An index stream on which this folder has begun. */
  async openIndex({ folder, indexId }: FolderState): Promise<HandStream> {
    const stream = await this.openUni(StreamKind.indexShard, 0);
    await stream.send({ type: 'indexStart', folder, indexId, afterSequence: 0 });
    return stream;
  }

  framesOf<T extends Frame['type']>(type: T): readonly FrameOf<T>[] {
    return this.received.filter((frame): frame is FrameOf<T> => frame.type === type);
  }

  /** How the connection ended. Lets no time pass: it must have. */
  async closeInfo(): Promise<CloseInfo | 'open'> {
    return Promise.race([
      this.connection.closed,
      new Promise<'open'>((resolve) => setImmediate(resolve, 'open')),
    ]);
  }

  private async read(stream: { read(): Promise<Uint8Array | null> }): Promise<void> {
    const first = (await stream.read()) ?? new Uint8Array(0);
    const [kind = 0] = first;
    let rest = first.subarray(1);
    if (kind === StreamKind.indexShard && rest.length === 0) rest = (await stream.read()) ?? rest;
    if (kind === StreamKind.indexShard) rest = rest.subarray(1);
    const opened: HandPeer['streams'][number] = { kind, frames: [], isEnded: false };
    this.streams.push(opened);
    for await (const raw of readFrames(stream, (type) => frameLimit(kind, type), rest)) {
      const frame = decodePayload(raw.type, raw.payload);
      if (frame === undefined) {
        this.skipped.push(raw.type);
        continue;
      }
      this.received.push(frame);
      opened.frames.push(frame);
    }
    opened.isEnded = true;
  }
}
