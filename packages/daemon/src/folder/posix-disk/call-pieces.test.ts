import fc from 'fast-check';
import { expect, it } from 'vitest';
import { handOver } from './call-buffers.js';
import { cutBatch } from './call-pieces.js';

it('cuts a batch into pieces within their bounds that together are the batch', () => {
  const most = { items: 5, bytes: 100 };
  fc.assert(
    fc.property(fc.array(fc.nat(150)), (sizes) => {
      const pieces = [...cutBatch(sizes, most, (size) => size)];
      expect(pieces.flat()).toEqual(sizes);
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(most.items);
        expect(piece.length).toBeGreaterThan(0);
        const bytes = piece.reduce((sum, size) => sum + size, 0);
        expect(bytes <= most.bytes || piece.length === 1).toBe(true);
      }
    }),
  );
});

it('hands over the same bytes, and no buffer that holds anything else', () => {
  const pattern = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251);
  const lengths = fc.array(fc.record({ length: fc.nat(40_000), isOwn: fc.boolean() }), { maxLength: 8 });
  fc.assert(
    fc.property(lengths, (views) => {
      const slab = Uint8Array.from(pattern);
      const values = views.map(({ length, isOwn }) => ({
        bytes: isOwn ? slab.slice(0, length) : slab.subarray(7, 7 + length),
      }));
      const copies = values.map(({ bytes }) => Buffer.from(bytes));
      const { values: handedOver, transfer } = handOver(values);
      expect(transfer.includes(slab.buffer)).toBe(false);
      expect(new Set(transfer).size).toBe(transfer.length);
      const received = structuredClone(handedOver, { transfer });
      expect(received.map(({ bytes }, i) => copies[i]?.equals(bytes))).toEqual(copies.map(() => true));
    }),
    { numRuns: 50 },
  );
});
