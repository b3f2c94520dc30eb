import type { DiskStep } from '../../core/ports/folder-disk.js';

/** From here on a buffer is worth a transfer of its own. */
const MIN_TRANSFER_BYTES = 16 * 1024;

/**
 * Readies the bytes of a call for another thread: a large buffer that holds nothing else is handed over, the rest is
 * copied into one buffer that is. (A view's whole buffer would be copied otherwise, however small the view.)
 */
export function handOver<Value extends { readonly bytes: Uint8Array }>(
  values: readonly Value[],
): { values: Value[]; transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = [];
  let packedBytes = 0;
  for (const { bytes } of values) if (!ownsBuffer(bytes)) packedBytes += bytes.length;
  const packed = new Uint8Array(packedBytes);
  if (packedBytes > 0) transfer.push(packed.buffer);
  let filled = 0;
  const handedOver = values.map((value) => {
    const { bytes } = value;
    if (ownsBuffer(bytes)) {
      if (!transfer.includes(bytes.buffer)) transfer.push(bytes.buffer);
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
  const { values, transfer } = handOver(writes);
  let next = 0;
  return {
    items: items.map((steps) =>
      steps.map((step) => (step.op === 'write-temp' ? (values[next++] ?? step) : step)),
    ),
    transfer,
  };
}

function ownsBuffer(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return (
    bytes.length >= MIN_TRANSFER_BYTES &&
    bytes.length === bytes.buffer.byteLength &&
    bytes.buffer instanceof ArrayBuffer
  );
}
