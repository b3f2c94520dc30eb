import fc from 'fast-check';
import { decodeDatagram, WireError } from '../../packages/daemon/src/core/wire/codec.js';
import { isInitial, parseRoutingHeader } from '../../packages/quic/src/driver/packet-header.js';
import { RpcError } from '../../packages/quic/src/rpc/rpc-error.js';
import { decodeFailure, decodeRequest } from '../../packages/quic/src/rpc/rpc-frames.js';
import { ByteSource } from './byte-source.js';
import { mutateBytes, soundFrames } from './frame-mutation.js';
import { check, fuzzTarget } from './fuzz-target.js';

/** A whole frame in a datagram, most of them cut or changed. */
function buildDatagram(entropy: Uint8Array): Uint8Array {
  const source = new ByteSource(entropy);
  const { type, payload } = source.oneIn(2) ? source.pick(soundFrames) : mutateBytes(entropy.subarray(4));
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(
    source.oneIn(6) ? payload.length + source.pick([1, -payload.length, 65_536]) : payload.length,
    1,
  );
  const whole = Buffer.concat([head, payload]);
  return new Uint8Array(source.oneIn(6) ? whole.subarray(0, source.below(whole.length + 1)) : whole);
}

export const datagrams = fuzzTarget<Uint8Array>({
  name: 'datagrams',
  weight: 2,
  input: fc.oneof(
    fc.uint8Array({ minLength: 5, maxLength: 60, size: 'max' }).map(buildDatagram),
    fc.uint8Array({ maxLength: 40 }),
  ),
  run: (bytes) => {
    try {
      decodeDatagram(bytes);
    } catch (error) {
      check(error instanceof WireError, `decoding threw ${String(error)}`);
    }
  },
});

/** Packets as they come off the socket, before anything is known of who sent them. */
export const packetHeaders = fuzzTarget<Uint8Array>({
  name: 'packet-headers',
  weight: 1,
  input: fc.uint8Array({ maxLength: 48, size: 'max' }),
  run: (bytes) => {
    const header = parseRoutingHeader(Buffer.from(bytes));
    check(
      header === undefined || bytes.length > header.destinationKey.length,
      'an ID longer than its packet',
    );
    isInitial(bytes, 1);
  },
});

export const requests = fuzzTarget<Uint8Array>({
  name: 'requests-and-failures',
  weight: 1,
  input: fc.uint8Array({ maxLength: 80 }),
  run: (bytes) => {
    check(decodeFailure(bytes) instanceof RpcError, 'a failure is always one');
    try {
      const { payload, method } = decodeRequest(bytes);
      check(method.length > 0 && payload.length < bytes.length, 'a request is more than its payload');
    } catch (error) {
      check(error instanceof RpcError && error.code === 'protocol-error', `decoding threw ${String(error)}`);
    }
  },
});
