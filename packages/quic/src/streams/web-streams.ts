import {
  type ReadableByteStreamController,
  ReadableStream,
  type ReadableStreamBYOBRequest,
  type UnderlyingByteSource,
  WritableStream,
} from 'node:stream/web';
import type { BidiStream, ReceiveStream, SendStream } from '../transport.js';
import { StreamReader } from './stream-reader.js';

export interface WebReadableOptions {
  /**
   * What still comes after `cancel` is read and thrown away: a stop costs stream credit that never comes back. Beyond so
   * many bytes the stream is stopped all the same. 0 stops it at the first byte. Default 16 MiB.
   */
  readonly maxDiscardedBytes?: number;
  /** Code of that stop. Default 0. */
  readonly stopCode?: number;
}

export interface WebWritableOptions {
  /**
   * Code of the reset after `abort`. Default 0. It is a reset because an end in order would make what was sent look
   * complete; it costs stream credit, so abort where something is wrong, and close otherwise.
   */
  readonly resetCode?: number;
}

const DEFAULT_MAX_DISCARDED_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/**
 * The receiving side as a byte stream of the web. Nothing is read ahead of its consumer, so QUIC's flow control is the
 * backpressure; with a BYOB reader, bytes go straight into the consumer's buffer. Errors of the stream are TransportErrors.
 */
export function toReadableStream(
  stream: ReceiveStream,
  options: WebReadableOptions = {},
): ReadableStream<Uint8Array> {
  const { maxDiscardedBytes = DEFAULT_MAX_DISCARDED_BYTES, stopCode = 0 } = options;
  const reader = new StreamReader(stream);
  let pulling: Promise<void> = Promise.resolve();
  const source: UnderlyingByteSource = {
    type: 'bytes',
    // Every read gets a buffer of its own: what is handed over here is taken from its owner, and the driver's buffers are
    // shared by many reads.
    autoAllocateChunkSize: READ_BYTES,
    pull: (controller) => {
      pulling = pull(reader, controller);
      return pulling;
    },
    cancel: () => {
      const discard = () => reader.discard({ maxBytes: maxDiscardedBytes, code: stopCode });
      // Not waited for: whoever cancels wants to be gone, and a slow peer may take long.
      void pulling.then(discard, () => {});
    },
  };
  return new ReadableStream(source, { highWaterMark: 0 });
}

async function pull(reader: StreamReader, controller: ReadableByteStreamController): Promise<void> {
  // The type of Node 20 says that there is never one; there is.
  const request = controller.byobRequest as unknown as ReadableStreamBYOBRequest | null;
  const view = request?.view;
  // Without a read that waits nobody pulls, since nothing is read ahead.
  if (!request || !view) return;
  const bytes = await reader.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  try {
    if (bytes === null) controller.close();
    request.respond(bytes?.length ?? 0);
  } catch {
    // Cancelled while the read was under way: its bytes are thrown away like what follows them.
  }
}

/**
 * The sending side as a stream of the web. A write is done when the transport has room for more. Chunks are copied, so
 * that they are the writer's again once written. `close` ends the stream in order.
 */
export function toWritableStream(
  stream: SendStream,
  { resetCode = 0 }: WebWritableOptions = {},
): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (chunk) => {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('a chunk of a byte stream is a Uint8Array');
      return stream.write(new Uint8Array(chunk));
    },
    close: () => stream.finish(),
    abort: () => stream.reset(resetCode),
  });
}

/** Both sides, as what `pipeThrough` takes. */
export function toWebStreams(
  stream: BidiStream,
  options: WebReadableOptions & WebWritableOptions = {},
): { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> } {
  return { readable: toReadableStream(stream, options), writable: toWritableStream(stream, options) };
}
