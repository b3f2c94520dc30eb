import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DeviceId, deviceIdFromBytes } from './device-id.js';
import { redeemProof } from './pairing-ticket.js';
import { type IssuedTicket, type RedeemOutcome, TicketBook } from './ticket-book.js';

const device = (number: number): DeviceId => deviceIdFromBytes(new Uint8Array(32).fill(number));
const inviterId = device(1);
const laptop = device(2);
const stranger = device(3);
const minuteMs = 60_000;

let nowMs = 0;
let book: TicketBook;
beforeEach(() => {
  nowMs = 5_000;
  book = new TicketBook({ now: () => nowMs, randomBytes });
});

function redeem(ticket: IssuedTicket, accepterId: DeviceId, fromAddress = '10.0.0.2'): RedeemOutcome {
  const proof = redeemProof(ticket.secret, 'accepter', inviterId, accepterId);
  return book.redeem({ ticketId: ticket.id, proof, inviterId, accepterId, fromAddress });
}

function guess(ticket: IssuedTicket, fromAddress: string): RedeemOutcome {
  return book.redeem({
    ticketId: ticket.id,
    proof: new Uint8Array(32),
    inviterId,
    accepterId: stranger,
    fromAddress,
  });
}

const refused = (reason: string) => ({ outcome: 'refused', reason });

describe('redeeming', () => {
  it('pairs the device that knows the secret, and answers with the proof of the other role', () => {
    const ticket = book.issue();
    expect(redeem(ticket, laptop)).toEqual({
      outcome: 'paired',
      answerProof: redeemProof(ticket.secret, 'inviter', inviterId, laptop),
      repeated: false,
    });
    expect(book.redeemedBy(ticket.id)).toBe(laptop);
    expect(book.wrongAttempts).toEqual([]);
  });

  it('gives the same device the same answer until the ticket expires', () => {
    const ticket = book.issue();
    const first = redeem(ticket, laptop);
    nowMs += 10 * minuteMs - 1;
    expect(book.isOpen()).toBe(true);
    expect(redeem(ticket, laptop)).toEqual({ ...first, repeated: true });
    nowMs += 1;
    expect(redeem(ticket, laptop)).toEqual(refused('expired'));
  });

  it('pairs one device only', () => {
    const ticket = book.issue();
    redeem(ticket, laptop);
    expect(redeem(ticket, stranger)).toEqual(refused('used'));
    expect(book.redeemedBy(ticket.id)).toBe(laptop);
    expect(redeem(ticket, laptop)).toMatchObject({ outcome: 'paired' });
  });

  it('refuses a proof made for another device, another inviter or the other role', () => {
    const ticket = book.issue();
    const proofs = [
      redeemProof(ticket.secret, 'accepter', inviterId, laptop),
      redeemProof(ticket.secret, 'accepter', laptop, stranger),
      redeemProof(ticket.secret, 'inviter', inviterId, stranger),
    ];
    for (const proof of proofs) {
      const request = {
        ticketId: ticket.id,
        proof,
        inviterId,
        accepterId: stranger,
        fromAddress: '10.0.0.3',
      };
      expect(book.redeem(request)).toEqual(refused('wrong-proof'));
    }
    expect(redeem(ticket, laptop)).toMatchObject({ outcome: 'paired' });
  });

  it('tells an unknown ticket from one that was cancelled', () => {
    const ticket = book.issue();
    const other = new TicketBook({ now: () => nowMs, randomBytes }).issue();
    expect(redeem(other, laptop)).toEqual(refused('unknown'));
    expect(book.cancel(ticket.id)).toBe(true);
    expect(book.cancel(ticket.id)).toBe(false);
    expect(redeem(ticket, laptop)).toEqual(refused('expired'));
  });

  it('does not let a device that was unpaired come back by the ticket it had', () => {
    const ticket = book.issue();
    const untouched = book.issue();
    redeem(ticket, laptop);
    book.cancelRedeemedBy(laptop);
    expect(redeem(ticket, laptop)).toEqual(refused('expired'));
    expect(redeem(untouched, laptop)).toMatchObject({ outcome: 'paired' });
  });
});

describe('wrong proofs', () => {
  it('never void a ticket, and silence the address they come from for a while', () => {
    const ticket = book.issue();
    for (let count = 0; count < 5; count += 1)
      expect(guess(ticket, '10.0.0.9')).toEqual(refused('wrong-proof'));
    expect(guess(ticket, '10.0.0.9')).toEqual(refused('rate-limited'));
    expect(redeem(ticket, stranger, '10.0.0.9')).toEqual(refused('rate-limited'));
    nowMs += minuteMs - 1;
    expect(guess(ticket, '10.0.0.9')).toEqual(refused('rate-limited'));
    expect(redeem(ticket, laptop, '10.0.0.2')).toMatchObject({ outcome: 'paired' });
    nowMs += 1;
    expect(guess(ticket, '10.0.0.9')).toEqual(refused('wrong-proof'));
  });

  it('count against an address with unknown tickets too, but not with expired ones', () => {
    const expired = book.issue({ ttlMs: 1 });
    nowMs += 1;
    const ticket = book.issue();
    for (let count = 0; count < 9; count += 1) expect(redeem(expired, laptop)).toEqual(refused('expired'));
    const unknown = { ...ticket, id: new Uint8Array(8) };
    for (let count = 0; count < 5; count += 1) expect(guess(unknown, '10.0.0.2')).toEqual(refused('unknown'));
    expect(guess(unknown, '10.0.0.2')).toEqual(refused('rate-limited'));
  });

  it('are shown', () => {
    const ticket = book.issue();
    guess(ticket, '10.0.0.9');
    expect(book.wrongAttempts).toEqual([
      { atMs: nowMs, fromAddress: '10.0.0.9', accepterId: stranger, reason: 'wrong-proof' },
    ]);
    expect(book.refusedAttemptCount).toBe(1);
  });

  it('fill no memory, whatever comes', () => {
    const ticket = book.issue();
    for (let count = 0; count < 1000; count += 1) guess(ticket, `10.0.${count >> 8}.${count & 255}`);
    expect(book.wrongAttempts).toHaveLength(32);
    expect(book.wrongAttempts.at(-1)?.fromAddress).toBe('10.0.3.231');
    expect(book.refusedAttemptCount).toBe(1000);
    expect(redeem(ticket, laptop)).toMatchObject({ outcome: 'paired' });
  });

  it('are remembered of the 256 addresses heard of last', () => {
    const ticket = book.issue();
    for (let count = 0; count < 5; count += 1) guess(ticket, 'first');
    for (let count = 0; count < 255; count += 1) guess(ticket, `10.0.0.${count}`);
    expect(guess(ticket, 'first')).toEqual(refused('rate-limited'));
    guess(ticket, '10.0.1.0');
    expect(guess(ticket, 'first')).toEqual(refused('wrong-proof'));
  });
});

describe('lifetimes', () => {
  it('are ten minutes unless asked otherwise, and an hour at most', () => {
    expect(book.issue()).toMatchObject({ ttlMs: 10 * minuteMs, expiresAtMs: nowMs + 10 * minuteMs });
    expect(book.issue({ ttlMs: 1000 }).ttlMs).toBe(1000);
    expect(book.issue({ ttlMs: 86_400_000 }).ttlMs).toBe(60 * minuteMs);
  });

  it.each([0, -1, Number.NaN])('cannot be %s', (ttlMs) => {
    expect(() => book.issue({ ttlMs })).toThrow(expect.objectContaining({ code: 'bad-ticket-lifetime' }));
  });

  it('end one after another', () => {
    expect(book.isOpen()).toBe(false);
    expect(book.nextExpiryMs()).toBeUndefined();
    const startMs = nowMs;
    book.issue({ ttlMs: 3000 });
    book.issue({ ttlMs: 1000 });
    expect(book.nextExpiryMs()).toBe(startMs + 1000);
    nowMs = startMs + 1000;
    expect(book.nextExpiryMs()).toBe(startMs + 3000);
    expect(book.isOpen()).toBe(true);
    nowMs = startMs + 3000;
    expect(book.isOpen()).toBe(false);
  });

  it('are remembered as over for the 64 tickets that ended last', () => {
    const tickets = Array.from({ length: 65 }, () => {
      const ticket = book.issue({ ttlMs: 1 });
      nowMs += 1;
      return ticket;
    });
    book.isOpen();
    const outcomes = tickets.map((ticket) => redeem(ticket, laptop));
    expect(outcomes[0]).toEqual(refused('unknown'));
    expect(outcomes.slice(1)).toEqual(Array(64).fill(refused('expired')));
  });

  it('let only so many be open at once', () => {
    book = new TicketBook({ now: () => nowMs, randomBytes }, { maxOpen: 2 });
    const first = book.issue();
    book.issue();
    expect(() => book.issue()).toThrow(expect.objectContaining({ code: 'too-many-tickets' }));
    book.cancel(first.id);
    book.issue();
    nowMs += 10 * minuteMs;
    book.issue();
    expect(book.isOpen()).toBe(true);
  });
});

it('every ticket has its own secret and ID', () => {
  const tickets = Array.from({ length: 16 }, () => book.issue());
  expect(new Set(tickets.map(({ secret }) => Buffer.from(secret).toString('hex'))).size).toBe(16);
  expect(new Set(tickets.map(({ id }) => Buffer.from(id).toString('hex'))).size).toBe(16);
  expect(tickets[0]?.secret).toHaveLength(16);
});
