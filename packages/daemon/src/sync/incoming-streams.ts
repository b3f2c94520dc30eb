import type { BidiStream, IncomingStream, ReceiveStream } from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';
import { StreamKind } from '../core/wire/frame-types.js';
import { WireError } from '../core/wire/wire-error.js';

/** A stream whose first byte has come: its kind is known and fits its direction. */
export type IdentifiedStream =
  | {
      readonly kind: 'control' | 'index' | 'receipts';
      readonly streamKind: number;
      readonly stream: ReceiveStream;
      readonly rest: Uint8Array;
    }
  | {
      readonly kind: 'chunks' | 'pairing';
      readonly streamKind: number;
      readonly stream: BidiStream;
      readonly rest: Uint8Array;
    };

const UNI_KINDS: ReadonlyMap<number, 'control' | 'index' | 'receipts'> = new Map([
  [StreamKind.control, 'control'],
  [StreamKind.indexShard, 'index'],
  [StreamKind.hotFolder, 'index'],
  [StreamKind.receipts, 'receipts'],
]);
const BIDI_KINDS: ReadonlyMap<number, 'chunks' | 'pairing'> = new Map([
  [StreamKind.chunks, 'chunks'],
  [StreamKind.pairing, 'pairing'],
]);

const IDENTIFY_MS = 1_000;

/** Reads the kind of a stream. Throws {@link WireError} when it does not come within 1 s, or does not belong there. */
export async function identifyStream(stream: IncomingStream, clock: Clock): Promise<IdentifiedStream> {
  const first = await readFirst(stream, clock);
  const streamKind = first[0] ?? -1;
  const rest = first.subarray(1);
  if (stream.kind === 'uni') {
    const kind = UNI_KINDS.get(streamKind);
    if (kind !== undefined) return { kind, streamKind, stream, rest };
  } else {
    const kind = BIDI_KINDS.get(streamKind);
    if (kind !== undefined) return { kind, streamKind, stream, rest };
  }
  throw new WireError(
    'malformed',
    `a ${stream.kind === 'uni' ? 'unidirectional' : 'bidirectional'} stream of kind 0x${streamKind.toString(16)}`,
  );
}

async function readFirst(stream: ReceiveStream, clock: Clock): Promise<Uint8Array> {
  const first = await readWithin(stream, clock, IDENTIFY_MS, 'its kind');
  if (first === null) throw new WireError('malformed', 'a stream ended before it said its kind');
  return first;
}

/** The next bytes, at least one; `null` at the end. Throws {@link WireError} when they do not come in that time. */
export async function readWithin(
  stream: ReceiveStream,
  clock: Clock,
  timeoutMs: number,
  what: string,
): Promise<Uint8Array | null> {
  let cancel: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(timeoutMs, () =>
      reject(new WireError('malformed', `a stream did not say ${what} within ${timeoutMs / 1000} s`)),
    );
  });
  try {
    return await Promise.race([firstBytes(stream), late]);
  } finally {
    cancel?.();
  }
}

async function firstBytes(stream: ReceiveStream): Promise<Uint8Array | null> {
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null || bytes.length > 0) return bytes;
  }
}
