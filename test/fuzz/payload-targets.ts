import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodePayload, encodePayload, WireError } from '../../packages/daemon/src/core/wire/codec.js';
import { FrameType } from '../../packages/daemon/src/core/wire/frame-types.js';
import type { Frame, SequencedEntry } from '../../packages/daemon/src/core/wire/frames.js';
import { ByteSource } from './byte-source.js';
import { mutateBytes, mutateFields, type WireFrame } from './frame-mutation.js';
import { check, fuzzTarget } from './fuzz-target.js';
import { encodeLoosely } from './loose-cbor.js';
import { anyFields } from './near-values.js';
import { isStrictCbor } from './strict-cbor.js';

const TYPES: readonly number[] = Object.values(FrameType);

/** The frame, or undefined where it was refused as a frame of a peer may be. */
function decodeOrRefuse({ type, payload }: WireFrame): Frame | undefined {
  try {
    return decodePayload(type, payload);
  } catch (error) {
    check(error instanceof WireError, `decoding threw ${String(error)}`);
    return undefined;
  }
}

/** What was let in can be sent on, and comes out as the same: nothing of it has two readings. */
function decodeAndReturn(wire: WireFrame): void {
  const frame = decodeOrRefuse(wire);
  if (frame === undefined) return;
  check(isStrictCbor(wire.payload), 'a payload was taken that is not of the subset of CBOR');
  if (frame.type === 'indexEntries') frame.entries.forEach(checkEntry);
  // Its chunks are in frames of their own, which are not here.
  if (
    frame.type === 'indexEntries' &&
    frame.entries.some(({ chunksInParts }) => chunksInParts !== undefined)
  ) {
    return;
  }
  const { frameType, payload } = encodePayload(frame);
  check(frameType === wire.type, 'it went out as another type');
  const again = decodePayload(frameType, payload);
  check(isDeepStrictEqual(again, frame), 'it came back as something else');
}

/** Rules that are easily said, looked at in another way than the decoder does. */
function checkEntry({ entry }: SequencedEntry): void {
  const incarnations = [...entry.version.vector.keys()];
  check(String(incarnations) === String([...incarnations].sort()), 'a vector is not in order');
  const names = entry.path.split('/');
  check(!/^\.landropic$/i.test(names[0] ?? ''), 'a path is in the area of landropic itself');
  check(
    names.every((name) => name !== '' && name !== '.' && name !== '..' && !name.includes('\0')),
    'a path leads elsewhere',
  );
  check(Buffer.byteLength(entry.path) <= 4_096, 'a path is too long');
}

/** Payloads of no structure at all, of all types there are and some there are not. */
export const rawPayloads = fuzzTarget<WireFrame>({
  name: 'payloads-raw',
  weight: 3,
  input: fc.record({
    type: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...TYPES) }, fc.nat(255)),
    payload: fc.uint8Array({ maxLength: 96 }),
  }),
  run: decodeAndReturn,
});

/** CBOR of any shape. */
export const structuredPayloads = fuzzTarget<WireFrame>({
  name: 'payloads-cbor',
  weight: 3,
  input: fc
    .record({ type: fc.constantFrom(...TYPES), entropy: fc.uint8Array({ maxLength: 100, size: 'max' }) })
    .map(({ type, entropy }) => {
      const source = new ByteSource(entropy);
      const fields = anyFields(source);
      return { type, payload: encodeLoosely(fields, source) };
    }),
  run: decodeAndReturn,
});

const entropy = fc.uint8Array({ minLength: 2, maxLength: 160, size: 'max' });

export const damagedFrames = fuzzTarget<WireFrame>({
  name: 'frames-with-changed-bytes',
  weight: 5,
  input: entropy.map(mutateBytes),
  run: decodeAndReturn,
});

export const alteredFrames = fuzzTarget<WireFrame>({
  name: 'frames-with-changed-fields',
  weight: 5,
  input: entropy.map(mutateFields),
  run: decodeAndReturn,
});
