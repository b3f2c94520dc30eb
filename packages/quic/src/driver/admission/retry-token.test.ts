import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mintRetryToken, openRetryToken } from './retry-token.js';

const key = Buffer.alloc(32, 1);
const remote = { host: '192.0.2.1', port: 4_433 };
const retryConnectionId = Buffer.alloc(16, 9);
const context = { remote, retryConnectionId };
const connectionId = fc.uint8Array({ minLength: 1, maxLength: 20 });

describe('retry token', () => {
  it('gives back the original connection ID to whom it was meant for, in time', () => {
    fc.assert(
      fc.property(connectionId, fc.nat(10_000), (original, ageMs) => {
        const token = mintRetryToken(key, context, original, 1_000);
        expect([...(openRetryToken(key, context, token, 1_000 + ageMs) ?? [])]).toEqual([...original]);
      }),
    );
  });

  it('is worth nothing late, elsewhere, for another attempt, or under another key', () => {
    const original = Buffer.alloc(8, 3);
    const token = mintRetryToken(key, context, original, 1_000);
    const open = (changes: Partial<typeof context>, now = 1_000, with_ = key) =>
      openRetryToken(with_, { ...context, ...changes }, token, now);
    expect(open({}, 11_001)).toBeUndefined();
    expect(open({}, 900)).toBeUndefined();
    expect(open({ remote: { ...remote, host: '192.0.2.2' } })).toBeUndefined();
    expect(open({ remote: { ...remote, port: 4_434 } })).toBeUndefined();
    expect(open({ retryConnectionId: Buffer.alloc(16, 8) })).toBeUndefined();
    expect(open({}, 1_000, Buffer.alloc(32, 2))).toBeUndefined();
  });

  it('cannot be changed, and nothing else is one', () => {
    const token = mintRetryToken(key, context, Buffer.alloc(8, 3), 1_000);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(token);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(openRetryToken(key, context, changed, 1_000)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(openRetryToken(key, context, bytes, 1_000)).toBeUndefined();
      }),
    );
  });
});
