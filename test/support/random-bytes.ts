import { createCipheriv } from 'node:crypto';

/** Bytes that do not compress and repeat nowhere, the same for the same seed. */
export function randomBytesOf(sizeBytes: number, seed: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}
