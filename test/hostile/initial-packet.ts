import { createCipheriv, createHmac, randomBytes } from 'node:crypto';

/** RFC 9001, section 5.2. */
const INITIAL_SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex');
const DATAGRAM_BYTES = 1_200;
const TAG_BYTES = 16;
const PACKET_NUMBER_BYTES = 4;
const CRYPTO_FRAME = 0x06;

/** The dialler's side of a connection that goes no further than its first packets, made by hand. */
export class InitialForger {
  readonly #destinationId = randomBytes(16);
  readonly #sourceId = randomBytes(8);
  readonly #key: Buffer;
  readonly #iv: Buffer;
  readonly #headerKey: Buffer;
  #packetNumber = 0;

  constructor() {
    const secret = createHmac('sha256', INITIAL_SALT).update(this.#destinationId).digest();
    const client = expandLabel(secret, 'client in', 32);
    this.#key = expandLabel(client, 'quic key', 16);
    this.#iv = expandLabel(client, 'quic iv', 12);
    this.#headerKey = expandLabel(client, 'quic hp', 16);
  }

  /** A datagram with one CRYPTO frame, filled up to 1,200 bytes. */
  cryptoPacket(offset: number): Buffer {
    const head = this.#head();
    const payloadBytes = DATAGRAM_BYTES - head.length - TAG_BYTES;
    const frameHeadBytes = 1 + 4 + 2;
    const payload = Buffer.alloc(payloadBytes, 0x16);
    payload[0] = CRYPTO_FRAME;
    payload.writeUInt32BE((0x80000000 | offset) >>> 0, 1);
    payload.writeUInt16BE(0x4000 | (payloadBytes - frameHeadBytes), 5);
    return this.#seal(head, payload);
  }

  #head(): Buffer {
    const number = Buffer.alloc(PACKET_NUMBER_BYTES);
    number.writeUInt32BE(this.#packetNumber++);
    const ids = [
      Buffer.from([0xc0 | (PACKET_NUMBER_BYTES - 1), 0, 0, 0, 1]),
      Buffer.from([this.#destinationId.length]),
      this.#destinationId,
      Buffer.from([this.#sourceId.length]),
      this.#sourceId,
      Buffer.from([0]),
    ];
    const before = ids.reduce((sum, part) => sum + part.length, 0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(0x4000 | (DATAGRAM_BYTES - before - length.length));
    return Buffer.concat([...ids, length, number]);
  }

  #seal(head: Buffer, payload: Buffer): Buffer {
    const number = head.subarray(head.length - PACKET_NUMBER_BYTES);
    const nonce = Buffer.from(this.#iv);
    for (const [i, byte] of number.entries()) {
      const at = nonce.length - PACKET_NUMBER_BYTES + i;
      nonce[at] = (nonce[at] ?? 0) ^ byte;
    }
    const cipher = createCipheriv('aes-128-gcm', this.#key, nonce).setAAD(head);
    const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
    const mask = createCipheriv('aes-128-ecb', this.#headerKey, null).update(sealed.subarray(0, 16));
    const hidden = Buffer.from(head);
    hidden[0] = (hidden[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
    for (let i = 0; i < PACKET_NUMBER_BYTES; i++) {
      const at = head.length - PACKET_NUMBER_BYTES + i;
      hidden[at] = (hidden[at] ?? 0) ^ (mask[1 + i] ?? 0);
    }
    return Buffer.concat([hidden, sealed]);
  }
}

/** HKDF-Expand-Label of TLS 1.3 with an empty context, for at most 32 bytes. */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, length);
}
