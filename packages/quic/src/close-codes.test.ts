import { describe, expect, it } from 'vitest';
import { defineCloseCodes, nameCloseInfo, TransportCloseCode, transportCloseCodes } from './close-codes.js';

describe('the table of close codes', () => {
  it('goes both ways for every code of the transport', () => {
    for (const [name, code] of Object.entries(TransportCloseCode)) {
      expect(transportCloseCodes.nameOf(code)).toBe(name);
      expect(transportCloseCodes.codeOf(name as keyof typeof TransportCloseCode)).toBe(code);
    }
    expect(transportCloseCodes.nameOf(0x999)).toBeUndefined();
  });

  it('refuses codes that are used twice, or are none', () => {
    expect(() => defineCloseCodes({ a: 1, b: 1 })).toThrow(RangeError);
    expect(() => defineCloseCodes({ a: -1 })).toThrow(RangeError);
    expect(() => defineCloseCodes({ a: 0.5 })).toThrow(RangeError);
  });

  it('names how a connection ended', () => {
    const application = defineCloseCodes({ goodbye: 0, notPaired: 4 });
    expect(nameCloseInfo({ by: 'peer', code: 4, reason: '' }, application)).toBe('notPaired');
    expect(nameCloseInfo({ by: 'local', code: 0, reason: '' }, application)).toBe('goodbye');
    expect(nameCloseInfo({ by: 'peer', code: 17, reason: '' }, application)).toBe('0x11');
    expect(nameCloseInfo({ by: 'peer', code: 4, reason: '' })).toBe('0x4');
    expect(nameCloseInfo({ by: 'transport', code: 0xf, reason: '' })).toBe('aeadLimitReached');
    expect(nameCloseInfo({ by: 'transport', reason: '' })).toBe('reset');
    expect(nameCloseInfo({ by: 'timeout', reason: '' })).toBe('timeout');
    expect(nameCloseInfo({ by: 'local', reason: '' })).toBe('given-up');
  });
});
