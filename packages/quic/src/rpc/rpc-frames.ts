/**
 * Request and response on a bidirectional stream. Pure.
 *
 * One request is under way on a stream at a time, so frames need no number: who wants more at once takes more streams.
 * Every request gets exactly one answer, Response or Failure, cancelled ones too; only then may the next follow. Cancel
 * asks for that answer to come soon; one that crosses the answer means nothing.
 *
 *     Request   deadline in ms: u32 · length of the method: u8 · method, UTF-8 · payload
 *     Response  payload
 *     Failure   kind: u8 · code: u16 · text, UTF-8
 *     Cancel    empty, from the requester
 *     Closing   empty, from the server: no new requests here, end the stream when the last is answered
 */
import { encodeFrame, type FrameLimit } from '../frame-codec.js';
import { RpcError, type RpcErrorCode } from './rpc-error.js';

export const RpcFrame = {
  request: 0xa0,
  response: 0xa1,
  failure: 0xa2,
  cancel: 0xa3,
  closing: 0xa4,
} as const;

export const MAX_METHOD_BYTES = 64;
const REQUEST_HEAD_BYTES = 5;
const FAILURE_HEAD_BYTES = 3;
const MAX_FAILURE_TEXT_BYTES = 1_024;
const MAX_DEADLINE_MS = 0xffff_ffff;

export interface RpcRequestFrame {
  readonly method: string;
  /** How long the caller will wait from now on, ms. */
  readonly deadlineMs: number;
  readonly payload: Uint8Array;
}

/** Kinds of Failure, as they travel. */
const FAILURE_KINDS = {
  cancelled: 1,
  'deadline-exceeded': 2,
  overloaded: 3,
  'shutting-down': 4,
  interrupted: 5,
  'unknown-method': 6,
  failed: 7,
  internal: 8,
  'too-large': 9,
} as const satisfies Partial<Record<RpcErrorCode, number>>;

export type RpcFailureKind = keyof typeof FAILURE_KINDS;

export function isFailureKind(code: RpcErrorCode): code is RpcFailureKind {
  return code in FAILURE_KINDS;
}

/** Refused before anything was done. */
const NOT_BEGUN: readonly RpcErrorCode[] = ['overloaded', 'shutting-down', 'unknown-method'];

/** 0xE0–0xEF are kept for later: whoever does not know them skips them. */
export const MAX_SKIPPED_BYTES = 1_024;
export const isSkipped = (type: number): boolean => type >= 0xe0 && type <= 0xef;

/** Frames that a server takes, for the frame codec. */
export function requestLimits(maxRequestBytes: number): FrameLimit {
  return (type) => {
    if (type === RpcFrame.request) return REQUEST_HEAD_BYTES + MAX_METHOD_BYTES + maxRequestBytes;
    if (type === RpcFrame.cancel) return 0;
    return isSkipped(type) ? MAX_SKIPPED_BYTES : undefined;
  };
}

/** Frames that a requester takes. */
export function answerLimits(maxResponseBytes: number): FrameLimit {
  return (type) => {
    if (type === RpcFrame.response) return maxResponseBytes;
    if (type === RpcFrame.failure) return FAILURE_HEAD_BYTES + MAX_FAILURE_TEXT_BYTES;
    if (type === RpcFrame.closing) return 0;
    return isSkipped(type) ? MAX_SKIPPED_BYTES : undefined;
  };
}

/** Its name as it travels. Throws RangeError when that is empty or longer than 64 bytes. */
export function encodeMethod(method: string): Uint8Array {
  const name = Buffer.from(method, 'utf8');
  if (name.length === 0 || name.length > MAX_METHOD_BYTES)
    throw new RangeError(`the name of a method has 1 to ${MAX_METHOD_BYTES} bytes`);
  return name;
}

/** The frame with a copy of the payload. Throws as {@link encodeMethod}. */
export function encodeRequest({ method, deadlineMs, payload }: RpcRequestFrame): Uint8Array {
  const name = encodeMethod(method);
  const headBytes = REQUEST_HEAD_BYTES + name.length;
  const body = Buffer.allocUnsafe(headBytes + payload.length);
  body.writeUInt32BE(Math.min(MAX_DEADLINE_MS, Math.max(0, Math.ceil(deadlineMs))), 0);
  body.writeUInt8(name.length, 4);
  body.set(name, REQUEST_HEAD_BYTES);
  body.set(payload, headBytes);
  return encodeFrame(RpcFrame.request, body);
}

/** Throws RpcError `protocol-error`. The payload shares the memory of `bytes`. */
export function decodeRequest(bytes: Uint8Array): RpcRequestFrame {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nameBytes = view.length < REQUEST_HEAD_BYTES ? 0 : view.readUInt8(4);
  const headBytes = REQUEST_HEAD_BYTES + nameBytes;
  if (nameBytes === 0 || nameBytes > MAX_METHOD_BYTES || view.length < headBytes)
    throw new RpcError('protocol-error', 'a request without a method');
  return {
    deadlineMs: view.readUInt32BE(0),
    method: view.toString('utf8', REQUEST_HEAD_BYTES, headBytes),
    payload: bytes.subarray(headBytes),
  };
}

/** Text beyond 1,024 bytes is cut. `code` counts for `failed` alone. */
export function encodeFailure(kind: RpcFailureKind, text: string, code = 0): Uint8Array {
  const cut = Buffer.from(text, 'utf8').subarray(0, MAX_FAILURE_TEXT_BYTES);
  const body = Buffer.alloc(FAILURE_HEAD_BYTES + cut.length);
  body.writeUInt8(FAILURE_KINDS[kind], 0);
  body.writeUInt16BE(code & 0xffff, 1);
  body.set(cut, FAILURE_HEAD_BYTES);
  return encodeFrame(RpcFrame.failure, body);
}

/** A kind that is not known, from a newer version, counts as `internal`. */
export function decodeFailure(bytes: Uint8Array): RpcError {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < FAILURE_HEAD_BYTES) return new RpcError('protocol-error', 'a failure without a kind');
  const kind = view.readUInt8(0);
  const known = Object.entries(FAILURE_KINDS).find(([, value]) => value === kind);
  const code = (known?.[0] ?? 'internal') as RpcFailureKind;
  const text = view.toString('utf8', FAILURE_HEAD_BYTES);
  return new RpcError(code, text === '' ? code : text, {
    mayHaveBegun: !NOT_BEGUN.includes(code),
    ...(code === 'failed' ? { failureCode: view.readUInt16BE(1) } : {}),
  });
}

export const CANCEL_FRAME = encodeFrame(RpcFrame.cancel, new Uint8Array(0));
export const CLOSING_FRAME = encodeFrame(RpcFrame.closing, new Uint8Array(0));
