import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DeviceId,
  deviceIdBytes,
  deviceIdFromBytes,
  deviceIdFromSpki,
  parseDeviceId,
  shortDeviceId,
} from './device-id.js';
import { CryptoError } from './errors.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ids = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(deviceIdFromBytes);
const counting = deviceIdFromBytes(Uint8Array.from({ length: 32 }, (_, index) => index));

/** The base point of P-256, the public half of the private key 1. */
const generatorSpki = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004' +
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  'hex',
);

function compact(id: DeviceId): string {
  return id.replaceAll('-', '');
}

function whyRefused(text: string): string {
  try {
    parseDeviceId(text);
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'bad-device-id') return error.message;
    throw error;
  }
  throw new Error(`taken: ${text}`);
}

describe('golden vectors', () => {
  it('takes the SHA-256 of the public key', () => {
    const id = deviceIdFromSpki(generatorSpki);
    expect(id).toBe('LTJFF6Y-M5CJSIS-NX27DGN-CBAJQGC-4J5ZFNN-OP6TYVU-CW7TRVL-FSPTJQS');
    expect(Buffer.from(deviceIdBytes(id)).toString('hex')).toBe(
      '5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3',
    );
    expect(shortDeviceId(id)).toBe('LTJFF6Y');
  });

  it.each([
    [new Uint8Array(32), 'AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA'],
    [new Uint8Array(32).fill(255), '7777777-777777U-7777777-777777U-7777777-777777D-7777777-77777QS'],
    [deviceIdBytes(counting), 'AAAQEAY-EAUDAOF-CAJBIFQ-YDIOB45-IBCEQTC-QKRMFY7-YDENBWH-A5DYPQJ'],
  ])('writes %s as %s', (bytes, text) => {
    expect(deviceIdFromBytes(bytes)).toBe(text);
    expect(parseDeviceId(text)).toBe(text);
  });
});

describe('deviceIdFromSpki', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });

  it('takes the key that OpenSSL writes', () => {
    expect(parseDeviceId(deviceIdFromSpki(spki))).toBe(deviceIdFromSpki(spki));
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte less', spki.subarray(0, 90)],
    ['one byte more', Buffer.concat([spki, Buffer.from([0])])],
    ['a hybrid point', Buffer.from(spki).fill(6, 26, 27)],
    ['another curve of the same size', Buffer.from(spki).fill(8, 22, 23)],
    [
      'a key of another kind',
      generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'der' }),
    ],
  ])('refuses %s', (_, bytes) => {
    expect(() => deviceIdFromSpki(bytes)).toThrow(expect.objectContaining({ code: 'bad-public-key' }));
  });
});

describe('parseDeviceId', () => {
  it('is the inverse of writing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(deviceIdBytes(parseDeviceId(deviceIdFromBytes(bytes)))).toEqual(bytes);
      }),
    );
  });

  it('reads either case, any spacing, and digits typed for letters', () => {
    const separators = fc.array(fc.constantFrom('', '', '-', ' ', '\n', '\u2011', '\u2013', '  - '), {
      minLength: 57,
      maxLength: 57,
    });
    fc.assert(
      fc.property(ids, separators, fc.infiniteStream(fc.boolean()), (id, gaps, coin) => {
        const typed = [...compact(id)].map((character, position) => {
          const confused = { O: '0', I: '1', B: '8' }[character] ?? character.toLowerCase();
          return (gaps[position] ?? '') + (coin.next().value ? confused : character);
        });
        expect(parseDeviceId(typed.join('') + gaps[56])).toBe(id);
      }),
    );
  });

  it('catches every wrong character, and names its group', () => {
    for (const [position, right] of [...compact(counting)].entries()) {
      for (const wrong of alphabet) {
        if (wrong === right) continue;
        const text = compact(counting);
        const mistyped = text.slice(0, position) + wrong + text.slice(position + 1);
        expect(whyRefused(mistyped)).toMatch(
          new RegExp(`look at groups? .*\\b${Math.floor(position / 7) + 1}\\b`),
        );
      }
    }
  });

  it('catches any wrong character of any ID', () => {
    fc.assert(
      fc.property(ids, fc.nat(55), fc.constantFrom(...alphabet), (id, position, wrong) => {
        const text = compact(id);
        fc.pre(text[position] !== wrong);
        expect(whyRefused(text.slice(0, position) + wrong + text.slice(position + 1))).toContain('mistyped');
      }),
    );
  });

  it('catches any two neighbours swapped, A and 7 too, which Luhn alone cannot see', () => {
    const patterns = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      // Runs of zero and one bits: the first and last characters of the alphabet side by side, in every alignment.
      fc.array(fc.constantFrom(0x00, 0xff, 0x07, 0xe0, 0x1f, 0xf8, 0x7c, 0x3e), {
        minLength: 32,
        maxLength: 32,
      }),
    );
    let swapsOfFirstAndLast = 0;
    fc.assert(
      fc.property(patterns, (bytes) => {
        const text = compact(deviceIdFromBytes(Uint8Array.from(bytes)));
        for (let position = 0; position < 55; position += 1) {
          const pair = text.slice(position, position + 2);
          if (pair[0] === pair[1]) continue;
          if (pair === 'A7' || pair === '7A') swapsOfFirstAndLast += 1;
          const swapped = text.slice(0, position) + pair[1] + pair[0] + text.slice(position + 2);
          expect(() => parseDeviceId(swapped)).toThrow(CryptoError);
        }
      }),
      { numRuns: 30 },
    );
    expect(swapsOfFirstAndLast).toBeGreaterThan(0);
  });

  it('names the group of a character that no ID has', () => {
    const text = compact(counting);
    expect(whyRefused(`${text.slice(0, 15)}9${text.slice(16)}`)).toBe(
      '"9" cannot be in a device ID: look at group 3',
    );
  });

  it('names the group that is too short or too long', () => {
    expect(whyRefused(counting.replace('CAJBIFQ', 'CAJBFQ'))).toContain('this has 55: look at group 3');
    expect(whyRefused(counting.replace('IBCEQTC', 'IBCEEQTC'))).toContain('this has 57: look at group 5');
    expect(whyRefused(compact(counting).slice(1))).toMatch(/this has 55$/);
  });

  it('refuses what is no ID, however long', () => {
    expect(whyRefused('')).toContain('this has 0');
    expect(whyRefused('laptop')).toContain('this has 6');
    expect(whyRefused('A'.repeat(100_000))).toContain('too long');
  });

  it('takes nothing that it would write differently', () => {
    // The last character of the data has one bit of it; with the others set, the text would mean no bytes of ours.
    let refused = 0;
    for (const last of alphabet) {
      for (const check of alphabet) {
        const text = `${counting.slice(0, -2)}${last}${check}`;
        try {
          expect(deviceIdFromBytes(deviceIdBytes(parseDeviceId(text)))).toBe(text);
        } catch (error) {
          if (!(error instanceof CryptoError)) throw error;
          refused += 1;
        }
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

it('deviceIdFromBytes takes 32 bytes only', () => {
  expect(() => deviceIdFromBytes(new Uint8Array(31))).toThrow(
    expect.objectContaining({ code: 'bad-device-id' }),
  );
});
