import type { DiskStep } from '../../core/ports/folder-disk.js';

/** From here on a buffer is worth a transfer of its own. */
const MIN_TRANSFER_BYTES = 16 * 1024;
const MAX_SLACK_BYTES = 64;

/**
 * Readies the bytes of a call for another thread: a large buffer that holds next to nothing else is handed over with all
 * that is in it, the rest is copied into one buffer that is. (A view's whole buffer would be copied otherwise, however
 * small the view.) Only for bytes that the caller gives away.
 */
export function handOver<Value extends { readonly bytes: Uint8Array }>(
  values: readonly Value[],
): { values: Value[]; transfer: ArrayBuffer[] } {
  return pack(values, fillsBuffer);
}

function pack<Value extends { readonly bytes: Uint8Array }>(
  values: readonly Value[],
  mayTake: (bytes: Uint8Array) => boolean,
): { values: Value[]; transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = [];
  let packedBytes = 0;
  for (const { bytes } of values) if (!isShared(bytes) && !mayTake(bytes)) packedBytes += bytes.length;
  const packed = new Uint8Array(packedBytes);
  if (packedBytes > 0) transfer.push(packed.buffer);
  let filled = 0;
  const handedOver = values.map((value) => {
    const { bytes } = value;
    const { buffer } = bytes;
    if (isShared(bytes)) return value;
    if (mayTake(bytes) && buffer instanceof ArrayBuffer) {
      if (!transfer.includes(buffer)) transfer.push(buffer);
      return value;
    }
    packed.set(bytes, filled);
    filled += bytes.length;
    return { ...value, bytes: packed.subarray(filled - bytes.length, filled) };
  });
  return { values: handedOver, transfer };
}

export function handOverSteps(items: readonly (readonly DiskStep[])[]): {
  items: DiskStep[][];
  transfer: ArrayBuffer[];
} {
  const writes = items.flatMap((steps) => steps.filter((step) => step.op === 'write-temp'));
  // The same bytes may become several files: they stay the caller's.
  const { values, transfer } = pack(writes, () => false);
  let next = 0;
  return {
    items: items.map((steps) =>
      steps.map((step) => (step.op === 'write-temp' ? (values[next++] ?? step) : step)),
    ),
    transfer,
  };
}

/** Seen by the other thread where it is. */
function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}

/** A frame's payload is a view behind its head: what the buffer holds besides is a few bytes. */
function fillsBuffer({ length, buffer }: Uint8Array): boolean {
  const isWhole = buffer.byteLength - length <= MAX_SLACK_BYTES;
  return length >= MIN_TRANSFER_BYTES && isWhole && buffer instanceof ArrayBuffer;
}
