import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_HEADER_BYTES, FrameDecoder } from '../frame-codec.js';
import { RpcError } from './rpc-error.js';
import {
  answerLimits,
  CANCEL_FRAME,
  decodeFailure,
  decodeRequest,
  encodeFailure,
  encodeRequest,
  requestLimits,
} from './rpc-frames.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('frames of requests', () => {
  it('have these bytes', () => {
    const request = encodeRequest({ method: 'add', deadlineMs: 1_000, payload: Uint8Array.of(7, 8) });
    expect(hex(request)).toBe(`a0${'0000000a'}${'000003e8'}03616464${'0708'}`);
    expect(hex(encodeFailure('failed', 'no', 0x1234))).toBe('a200000005071234' + '6e6f');
    expect(hex(encodeFailure('overloaded', ''))).toBe('a200000003030000');
    expect(hex(CANCEL_FRAME)).toBe('a300000000');
  });

  it('come out as they went in, through the frame codec', () => {
    fc.assert(
      fc.property(
        fc
          .string({ minLength: 1, maxLength: 16, unit: 'grapheme' })
          .filter((name) => Buffer.byteLength(name) <= 64),
        fc.nat(0xffff_ffff),
        fc.uint8Array({ maxLength: 100 }),
        (method, deadlineMs, payload) => {
          const [frame] = new FrameDecoder(requestLimits(100)).push(
            encodeRequest({ method, deadlineMs, payload }),
          );
          const decoded = decodeRequest(frame?.payload ?? new Uint8Array());
          expect({ ...decoded, payload: hex(decoded.payload) }).toEqual({
            method,
            deadlineMs,
            payload: hex(payload),
          });
        },
      ),
    );
  });

  it('carry a deadline that is too long or over as the next that fits', () => {
    const deadlineOf = (deadlineMs: number): number =>
      decodeRequest(
        encodeRequest({ method: 'm', deadlineMs, payload: new Uint8Array() }).subarray(FRAME_HEADER_BYTES),
      ).deadlineMs;
    expect([-5, 0.2, 1e12].map(deadlineOf)).toEqual([0, 1, 0xffff_ffff]);
  });

  it('refuse methods without a name, or with one that is too long', () => {
    for (const method of ['', 'x'.repeat(65), 'ü'.repeat(33)])
      expect(() => encodeRequest({ method, deadlineMs: 1, payload: new Uint8Array() })).toThrow(RangeError);
  });

  it('are decoded from any bytes without a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeFailure(bytes)).toBeInstanceOf(RpcError);
        try {
          const { method, payload } = decodeRequest(bytes);
          expect(method.length).toBeGreaterThan(0);
          expect(payload.length).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-error' });
        }
      }),
    );
  });

  it('say whether anything was begun, and keep the code of a handler', () => {
    const decode = (bytes: Uint8Array): RpcError => decodeFailure(bytes.subarray(FRAME_HEADER_BYTES));
    expect(decode(encodeFailure('overloaded', 'full'))).toMatchObject({
      code: 'overloaded',
      message: 'full',
      mayHaveBegun: false,
    });
    expect(decode(encodeFailure('failed', 'no', 77))).toMatchObject({ failureCode: 77, mayHaveBegun: true });
    expect(decode(encodeFailure('interrupted', ''))).toMatchObject({
      mayHaveBegun: true,
      failureCode: undefined,
    });
    expect(decodeFailure(Uint8Array.of(200, 0, 0))).toMatchObject({ code: 'internal' });
  });

  it('cut a long text, so that a failure always fits its limit', () => {
    const [frame] = new FrameDecoder(answerLimits(0)).push(encodeFailure('failed', 'x'.repeat(5_000)));
    expect(decodeFailure(frame?.payload ?? new Uint8Array()).message).toBe('x'.repeat(1_024));
  });

  it('beyond these are skipped or refused', () => {
    const limits = requestLimits(10);
    expect([0xe0, 0xef].map(limits)).toEqual([1_024, 1_024]);
    expect([0xa1, 0xa2, 0xa4, 0x00, 0xf0].map(limits)).toEqual(Array.from({ length: 5 }, () => undefined));
  });
});
