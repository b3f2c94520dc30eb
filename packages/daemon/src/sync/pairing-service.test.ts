import { type BidiStream, type Connection, encodeFrame, FrameDecoder } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { RedeemJudgement } from '../core/pairing/inviter-pairing.js';
import { decodePayload, encodePayload } from '../core/wire/codec.js';
import { CloseCode, PAIRING_ALPN, StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { dial, type MemoryDevice, MemoryDevices } from './memory-devices.fixture.js';
import { type PairedPeer, PairingService, type TicketToRedeem } from './pairing-service.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

/** An inviter with one ticket, `ticket`, whose proofs are `<role> of <accepter>`. */
class World {
  readonly devices = new MemoryDevices();
  readonly log: string[] = [];
  readonly inviter = this.devices.add('inviter', { protocols: [PAIRING_ALPN] });
  usedBy: DeviceKey | undefined;
  isOpen = true;
  failStore = false;
  /** The next connection ends between storing and answering. */
  cutBeforeAnswer = false;
  private latest: Connection | undefined;
  readonly service = this.serviceOf(this.inviter);

  constructor() {
    this.inviter.endpoint.onConnection((connection) => {
      this.latest = connection;
      this.service.accept(connection);
    });
  }

  serviceOf(device: MemoryDevice): PairingService {
    return new PairingService({
      clock: this.devices.clock,
      invitations: { isOpen: () => this.isOpen, redeem: (attempt) => this.judge(attempt) },
      ownName: () => `the ${device.id}`,
      listenPort: () => device.address.port,
      dial: (address, expects, signal) => dial(device.endpoint, address, PAIRING_ALPN, { expects, signal }),
      deviceOf: (connection) => connection.peer.key as DeviceKey,
      store: (peer) => this.store(device, peer),
      events: {
        redeemed: ({ name }) => this.log.push(`redeemed by ${name}`),
        wrongProof: (from) => this.log.push(`wrong proof from ${from}`),
        failed: (error) => this.log.push(String(error)),
      },
    });
  }

  private store(device: MemoryDevice, peer: PairedPeer): PairedPeer {
    if (this.failStore) throw new Error('the disk is full');
    if (this.cutBeforeAnswer && device === this.inviter) {
      this.cutBeforeAnswer = false;
      void this.latest?.close(CloseCode.internalError, 'cut');
    }
    const { port } = peer.addresses[0] ?? {};
    this.log.push(`${device.id} stores ${peer.device} ${peer.name} at port ${port}`);
    return { ...peer, name: peer.name.toUpperCase() };
  }

  private judge({
    ticketId,
    proof,
    accepter,
  }: Record<'ticketId' | 'proof', Uint8Array> & { accepter: string }) {
    const refused = (reason: 'unknown' | 'wrong-proof' | 'used'): RedeemJudgement => ({
      outcome: 'refused',
      reason,
    });
    if (text(ticketId) !== 'ticket') return refused('unknown');
    if (text(proof) !== `accepter of ${accepter}`) return refused('wrong-proof');
    if (this.usedBy !== undefined && this.usedBy !== accepter) return refused('used');
    const repeated = this.usedBy === accepter;
    this.usedBy = accepter as DeviceKey;
    return { outcome: 'paired', answerProof: bytes(`inviter of ${accepter}`), repeated } as const;
  }

  ticketFor(device: MemoryDevice, change: Partial<TicketToRedeem> = {}): TicketToRedeem {
    return {
      inviter: this.inviter.id,
      addresses: [this.inviter.address],
      ticketId: bytes('ticket'),
      proof: bytes(`accepter of ${device.id}`),
      isInviterProof: (proof) => text(proof) === `inviter of ${device.id}`,
      ...change,
    };
  }

  /** Redeems as that device would, and lets time pass until something came of it. */
  async redeem(id: string, change: Partial<TicketToRedeem> = {}, passMs = 500): Promise<PairedPeer | Error> {
    const device = this.devices.add(id);
    const redeeming = this.serviceOf(device)
      .redeem(this.ticketFor(device, change), new AbortController().signal)
      .catch((error: unknown) => error as Error);
    await this.devices.advance(passMs);
    return redeeming;
  }
}

async function connect(world: World, { endpoint }: MemoryDevice): Promise<Connection> {
  const dialling = dial(endpoint, world.inviter.address, PAIRING_ALPN);
  await world.devices.settle();
  return dialling;
}

/** Whatever comes back on the pairing stream of a stranger who speaks by hand. */
class Stranger {
  readonly received: Frame[] = [];
  private constructor(
    readonly connection: Connection,
    readonly stream: BidiStream,
  ) {
    const decoder = new FrameDecoder(() => 4096);
    void (async () => {
      for (let piece = await stream.read(); piece !== null; piece = await stream.read()) {
        for (const { type, payload } of decoder.push(piece)) {
          const frame = decodePayload(type, payload);
          if (frame !== undefined) this.received.push(frame);
        }
      }
    })().catch(() => {});
  }

  static async connect(world: World, id = 'stranger'): Promise<Stranger> {
    const connection = await connect(world, world.devices.add(id));
    return new Stranger(connection, await connection.openBidi());
  }

  async send(frame: Frame): Promise<void> {
    const { frameType, payload } = encodePayload(frame);
    await this.stream.write(encodeFrame(frameType, payload));
  }

  async redeem(ticketId: string, proof: string): Promise<void> {
    await this.stream.write(Uint8Array.of(StreamKind.pairing));
    const name = 'stranger';
    await this.send({ type: 'redeem', ticketId: bytes(ticketId), proof: bytes(proof), name, listenPort: 1 });
  }
}

describe('redeeming a ticket', () => {
  test('pairs both: the inviter stores before it answers, both know the names as stored', async () => {
    const world = new World();
    expect(await world.redeem('accepter')).toMatchObject({ device: 'inviter', name: 'THE INVITER' });
    expect(world.log).toEqual([
      'inviter stores accepter the accepter at port 4000',
      'redeemed by THE ACCEPTER',
      'accepter stores inviter the inviter at port 4000',
    ]);
  });

  test('refused for a ticket that another device used; the reason is for the person', async () => {
    const world = new World();
    await world.redeem('first');
    expect(await world.redeem('second')).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/Another device used/),
    });
    expect(world.log.filter((line) => line.includes('second'))).toEqual([]);
  });

  test('the pair is not made when the inviter cannot store it', async () => {
    const world = new World();
    world.failStore = true;
    expect(await world.redeem('accepter')).toMatchObject({ code: 'unreachable' });
    // Once more, since it looks like a lost answer from there.
    expect(world.log).toEqual(['Error: the disk is full', 'Error: the disk is full']);
  });

  test('an answer that was lost is asked for again, and told to the inviting person once', async () => {
    const world = new World();
    world.cutBeforeAnswer = true;
    expect(await world.redeem('accepter')).toMatchObject({ name: 'THE INVITER' });
    expect(world.log.filter((line) => line.startsWith('inviter stores'))).toHaveLength(2);
    expect(world.log.filter((line) => line.startsWith('redeemed'))).toHaveLength(1);
  });

  test('another device at the address of the ticket is sent nothing, and the next address is tried', async () => {
    const world = new World();
    const impostor = world.devices.add('impostor', { protocols: [PAIRING_ALPN] });
    expect(await world.redeem('a', { addresses: [impostor.address] })).toMatchObject({
      code: 'wrong-device',
    });
    const addresses = [impostor.address, world.inviter.address];
    expect(await world.redeem('b', { addresses })).toMatchObject({ device: 'inviter' });
  });

  test('an inviter that does not prove that it knows the secret is not stored', async () => {
    const world = new World();
    const outcome = await world.redeem('accepter', { isInviterProof: () => false });
    expect(outcome).toMatchObject({ code: 'refused' });
    expect(world.log.some((line) => line.startsWith('accepter stores'))).toBe(false);
  });

  test.each([
    ['nobody there', [{ host: 'nowhere', port: 1 }], /No answer/],
    ['no pairing offered there', [{ host: 'host-closed', port: 4000 }], /has expired/],
    ['no address at all', [], /no address/],
  ])('%s is an error that names it', async (_what, addresses, message) => {
    const world = new World();
    world.devices.add('closed', { protocols: ['landropic/1'] });
    expect(await world.redeem('accepter', { addresses }, 11_000)).toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(message),
    });
  });

  test('given up at once when the caller goes away', async () => {
    const world = new World();
    const device = world.devices.add('accepter');
    const leaving = new AbortController();
    const ticket = world.ticketFor(device, { addresses: [{ host: 'nowhere', port: 1 }] });
    const redeeming = world.serviceOf(device).redeem(ticket, leaving.signal);
    const outcome = expect(redeeming).rejects.toMatchObject({ code: 'timeout' });
    await world.devices.settle();
    leaving.abort();
    await outcome;
  });
});

describe('what strangers get from an inviter', () => {
  test('the same answer for an unknown ticket and for a wrong proof; both are shown', async () => {
    const world = new World();
    const unknown = await Stranger.connect(world, 'x');
    const wrong = await Stranger.connect(world, 'y');
    await unknown.redeem('guess', 'guess');
    await wrong.redeem('ticket', 'guess');
    await world.devices.settle();
    expect(unknown.received).toHaveLength(1);
    expect(wrong.received).toEqual(unknown.received);
    expect(world.log.sort()).toEqual(['wrong proof from host-x', 'wrong proof from host-y']);
    expect(world.usedBy).toBeUndefined();
  });

  test.each([
    [
      'garbage',
      (s: Stranger) => s.stream.write(Buffer.from('\x20GET / HTTP/1.1\r\n\r\n')),
      CloseCode.protocolError,
    ],
    ['another kind of stream', (s: Stranger) => s.stream.write(Uint8Array.of(0x10)), CloseCode.protocolError],
    [
      'an oversized frame',
      (s: Stranger) => s.stream.write(Uint8Array.of(0x20, 0x90, 0, 1, 0, 0)),
      CloseCode.limitExceeded,
    ],
    [
      'a second stream',
      async (s: Stranger) => {
        await s.redeem('guess', 'guess');
        await (await s.connection.openBidi()).write(Uint8Array.of(StreamKind.pairing));
      },
      CloseCode.protocolError,
    ],
    [
      'a second try on one connection',
      async (s: Stranger) => {
        await s.redeem('guess', 'guess');
        await s.redeem('ticket', 'accepter of stranger');
      },
      CloseCode.protocolError,
    ],
  ])('%s ends the connection, and pairs nobody', async (_what, act, code) => {
    const world = new World();
    const stranger = await Stranger.connect(world);
    await act(stranger);
    await world.devices.advance(1_500);
    expect(await stranger.connection.closed).toMatchObject({ by: 'peer', code });
    expect(world.log.filter((line) => line.includes('stores'))).toEqual([]);
  });

  test('ten seconds, whatever they do', async () => {
    const world = new World();
    const silent = await Stranger.connect(world, 'silent');
    const refused = await Stranger.connect(world, 'refused');
    await refused.redeem('guess', 'guess');
    await world.devices.advance(9_000);
    expect(world.inviter.endpoint.stats().connections).toBe(2);
    await world.devices.advance(1_500);
    const timeout = { by: 'peer', code: CloseCode.handshakeTimeout };
    expect(await silent.connection.closed).toMatchObject(timeout);
    expect(await refused.connection.closed).toMatchObject(timeout);
  });

  test('two connections from one address, four in all, and none while no ticket is open', async () => {
    const world = new World();
    const full = { by: 'peer', code: CloseCode.limitExceeded };
    const a = world.devices.add('a');
    const ofA = [await connect(world, a), await connect(world, a)];
    expect(await (await connect(world, a)).closed).toMatchObject(full);
    await connect(world, world.devices.add('b'));
    await connect(world, world.devices.add('c'));
    const d = world.devices.add('d');
    expect(await (await connect(world, d)).closed).toMatchObject(full);
    await ofA[0]?.close(0, 'bye');
    await world.devices.settle();
    expect(await world.redeem('e')).toMatchObject({ device: 'inviter' });
    world.isOpen = false;
    expect(await (await connect(world, d)).closed).toMatchObject(full);
  });
});
