import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceIdFromBytes } from './device-id.js';
import { CryptoError } from './errors.js';
import {
  decodeTicket,
  encodeTicket,
  type PairingTicket,
  proofsEqual,
  redeemProof,
  ticketId,
} from './pairing-ticket.js';

const counting = deviceIdFromBytes(Uint8Array.from({ length: 32 }, (_, index) => index));
const ones = deviceIdFromBytes(new Uint8Array(32).fill(255));
const secret = Uint8Array.from({ length: 16 }, (_, index) => index);
const golden: PairingTicket = {
  version: 1,
  inviter: counting,
  addresses: [
    { host: '192.168.1.5', port: 22_000 },
    { host: 'fd00::1', port: 5 },
  ],
  secret,
  expiresAtMs: 1_800_000_000_000,
};
const goldenText =
  'landropic1:AIAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6AABAIBQIBIGA4EASCQLBQGQ4DYBUMMFYUAAATAKQAIFKXYAN7IAAAAAAAAAAAAAAAAAAAAAAAIAAV7N4XAQ';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const tickets: fc.Arbitrary<PairingTicket> = fc.record({
  version: fc.constant(1 as const),
  inviter: bytes(32).map(deviceIdFromBytes),
  addresses: fc.array(
    fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 1, max: 65_535 }) }),
    { maxLength: 8 },
  ),
  secret: bytes(16),
  expiresAtMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});

function canonical(ticket: PairingTicket): PairingTicket {
  const addresses = ticket.addresses.map(({ host, port }) => ({
    host: host.includes(':') ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host,
    port,
  }));
  return { ...ticket, addresses };
}

function whyRefused(text: string): string {
  try {
    decodeTicket(text);
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'bad-ticket') return error.message;
    throw error;
  }
  throw new Error(`taken: ${text}`);
}

describe('a ticket as text', () => {
  it('has not changed its form', () => {
    expect(encodeTicket(golden)).toBe(goldenText);
    expect(decodeTicket(goldenText)).toEqual(golden);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(tickets, (ticket) => {
        expect(decodeTicket(encodeTicket(ticket))).toEqual(canonical(ticket));
      }),
    );
  });

  it('is one line of letters and digits', () => {
    fc.assert(fc.property(tickets, (ticket) => /^landropic1:[A-Z2-7]+$/.test(encodeTicket(ticket))));
  });

  it('survives what mail and terminals put in between, and a change of case', () => {
    const noise = fc.constantFrom(
      '',
      '',
      '',
      ' ',
      '\n',
      '\r\n> ',
      '\t',
      '"',
      '\u201c',
      '\u00a0',
      '=\n',
      '\u200b',
      '`',
    );
    fc.assert(
      fc.property(tickets, fc.infiniteStream(noise), fc.boolean(), (ticket, noises, lower) => {
        const text = lower ? encodeTicket(ticket).toLowerCase() : encodeTicket(ticket);
        const noisy = [...text].map((character) => character + noises.next().value).join('');
        fc.pre(noisy.length <= 4096);
        expect(decodeTicket(` ${noisy}`)).toEqual(canonical(ticket));
      }),
    );
  });

  it.each([
    '',
    'hello',
    'LTJFF6Y-M5CJSIS-NX27DGN-CBAJQGC-4J5ZFNN-OP6TYVU-CW7TRVL-FSPTJQS',
    goldenText.slice(11),
    `landropic:${goldenText.slice(11)}`,
    'x'.repeat(1_000_000),
  ])('says that %.20s is not a ticket', (text) => {
    expect(whyRefused(text)).toContain('not a pairing ticket');
  });

  it('names a version that it does not know', () => {
    expect(whyRefused(goldenText.replace('landropic1', 'landropic2'))).toContain('version 2');
  });

  it('says at every length that a ticket cut short is incomplete', () => {
    for (let length = 'landropic1:'.length; length < goldenText.length; length += 1) {
      expect(whyRefused(goldenText.slice(0, length))).toContain('incomplete');
    }
  });

  it('catches any wrong character, and anything added', () => {
    fc.assert(
      fc.property(
        tickets,
        fc.nat(),
        fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'),
        (ticket, n, wrong) => {
          const text = encodeTicket(ticket);
          const position = 11 + (n % (text.length - 11));
          fc.pre(text[position] !== wrong);
          expect(whyRefused(text.slice(0, position) + wrong + text.slice(position + 1))).toMatch(
            /damaged|incomplete/,
          );
          expect(whyRefused(text + wrong + wrong)).toContain('damaged');
        },
      ),
    );
  });

  it('refuses garbage without any other error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(whyRefused(`landropic1:${text}`)).not.toBe('');
      }),
    );
  });
});

describe('encodeTicket', () => {
  const withHost = (host: string): PairingTicket => ({ ...golden, addresses: [{ host, port: 1 }] });
  it.each<[string, PairingTicket]>([
    ['nine addresses', { ...golden, addresses: Array(9).fill({ host: '10.0.0.1', port: 1 }) }],
    ['a name for an address', withHost('laptop.local')],
    ['an address with a zone', withHost('fe80::1%eth0')],
    ['port 0', { ...golden, addresses: [{ host: '10.0.0.1', port: 0 }] }],
    ['port 65536', { ...golden, addresses: [{ host: '10.0.0.1', port: 65_536 }] }],
    ['a short secret', { ...golden, secret: new Uint8Array(15) }],
    ['a fraction of a millisecond', { ...golden, expiresAtMs: 1.5 }],
    ['no time', { ...golden, expiresAtMs: Number.NaN }],
  ])('refuses %s', (_, ticket) => {
    expect(() => encodeTicket(ticket)).toThrow(expect.objectContaining({ code: 'bad-ticket' }));
  });
});

describe('proofs', () => {
  const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

  it('are what the protocol says', () => {
    expect(hex(ticketId(secret))).toBe('be45cb2605bf36be');
    expect(hex(redeemProof(secret, 'inviter', counting, ones))).toBe(
      '973cc27edec69101a1612c09c34585ff9cf216e09d89639c9c5ddde7b1293ff4',
    );
    expect(hex(redeemProof(secret, 'accepter', counting, ones))).toBe(
      '1df90d4d95c9cb81bbbf5360fb3980e40ce79811d8b1460a8d22f9479404d75b',
    );
  });

  it('differ by role, by either device, by order and by secret', () => {
    const proofs = [
      redeemProof(secret, 'accepter', counting, ones),
      redeemProof(secret, 'inviter', counting, ones),
      redeemProof(secret, 'accepter', ones, counting),
      redeemProof(secret, 'accepter', counting, counting),
      redeemProof(new Uint8Array(16), 'accepter', counting, ones),
    ];
    expect(new Set(proofs.map(hex)).size).toBe(proofs.length);
  });

  it('are equal only when every byte is', () => {
    const proof = redeemProof(secret, 'accepter', counting, ones);
    expect(proofsEqual(proof, Uint8Array.from(proof))).toBe(true);
    expect(proofsEqual(proof, proof.subarray(0, 31))).toBe(false);
    expect(proofsEqual(proof, new Uint8Array(0))).toBe(false);
    for (let index = 0; index < proof.length; index += 1) {
      const other = Uint8Array.from(proof, (byte, at) => (at === index ? byte ^ 1 : byte));
      expect(proofsEqual(proof, other)).toBe(false);
    }
  });
});
