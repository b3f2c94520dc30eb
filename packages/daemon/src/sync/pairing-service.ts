import type { BidiStream, Connection, SocketAddress } from '@landropic/quic';
import { encodeFrame, readFrames } from '@landropic/quic';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { decodePayload, encodePayload, WireError } from '../core/wire/codec.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import type { Frame, FrameOf } from '../core/wire/frames.js';
import { frameLimit } from '../core/wire/limits.js';
import { identifyStream } from './incoming-streams.js';

export interface PairedPeer {
  readonly device: DeviceKey;
  readonly name: string;
  readonly addresses: readonly SocketAddress[];
}

export type RedeemOutcome =
  | { readonly outcome: 'paired'; readonly answerProof: Uint8Array }
  | { readonly outcome: 'refused'; readonly reason: string };

/** The invitations that are open here; the crypto package keeps them. */
export interface Invitations {
  isOpen(): boolean;
  redeem(attempt: {
    readonly ticketId: Uint8Array;
    readonly proof: Uint8Array;
    readonly accepter: DeviceKey;
    readonly fromAddress: string;
  }): RedeemOutcome;
}

/** A ticket as the accepter's side uses it. */
export interface TicketToRedeem {
  readonly inviter: DeviceKey;
  readonly addresses: readonly SocketAddress[];
  readonly ticketId: Uint8Array;
  /** Proof of the accepter, and the proof that the inviter must answer with. */
  readonly proof: Uint8Array;
  readonly expectedAnswer: Uint8Array;
  readonly proofsEqual: (a: Uint8Array, b: Uint8Array) => boolean;
}

export class PairingError extends Error {
  override readonly name = 'PairingError';
  constructor(
    readonly code: 'unreachable' | 'refused' | 'wrong-device' | 'timeout',
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

export interface PairingServiceDependencies {
  readonly clock: Clock;
  readonly invitations: Invitations;
  readonly ownName: () => string;
  readonly listenPort: () => number;
  /** Connects under the pairing protocol; the certificate's device ID was computed, nothing more was checked. */
  readonly dial: (
    address: SocketAddress,
    signal: AbortSignal,
  ) => Promise<{ connection: Connection; device: DeviceKey }>;
  readonly deviceOf: (connection: Connection) => DeviceKey;
  /** Stores the pair, durably. */
  readonly onPaired: (peer: PairedPeer, ticketId: Uint8Array) => void;
  readonly onWrongProof: (fromAddress: string) => void;
}

const MAX_CONNECTIONS = 4;
const CONNECTION_MS = 10_000;

/** Pairing by ticket, both sides of it. */
export class PairingService {
  private readonly connections = new Set<Connection>();

  constructor(private readonly deps: PairingServiceDependencies) {}

  /** The inviter's side: answers what comes on one incoming pairing connection. */
  accept(connection: Connection): void {
    if (this.connections.size >= MAX_CONNECTIONS || !this.deps.invitations.isOpen()) {
      void connection.close(CloseCode.limitExceeded, 'no pairing now');
      return;
    }
    this.connections.add(connection);
    const cancel = this.deps.clock.after(
      CONNECTION_MS,
      () => void connection.close(CloseCode.handshakeTimeout, 'pairing took too long'),
    );
    void connection.closed.then(() => {
      cancel();
      this.connections.delete(connection);
    });
    connection.onStream((incoming) => {
      identifyStream(incoming, this.deps.clock)
        .then(async (identified) => {
          if (identified.kind !== 'pairing') throw new WireError('malformed', 'another stream than pairing');
          await this.answer(connection, identified.stream, identified.rest);
        })
        .catch((error: unknown) => {
          const code = error instanceof WireError ? error.closeCode : CloseCode.protocolError;
          void connection.close(code, error instanceof WireError ? error.message : 'pairing failed');
        });
    });
  }

  private async answer(connection: Connection, stream: BidiStream, rest: Uint8Array): Promise<void> {
    const redeem = await readFrame(stream, rest);
    if (redeem?.type !== 'redeem') throw new WireError('malformed', 'no Redeem came');
    const accepter = this.deps.deviceOf(connection);
    const fromAddress = connection.remoteAddress.host;
    const result = this.deps.invitations.redeem({
      ticketId: redeem.ticketId,
      proof: redeem.proof,
      accepter,
      fromAddress,
    });
    if (result.outcome === 'refused') {
      if (result.reason === 'wrong-proof' || result.reason === 'unknown') this.deps.onWrongProof(fromAddress);
      await sendFrame(stream, { type: 'pairRefused', reason: result.reason });
      await stream.finish();
      return;
    }
    this.deps.onPaired(
      { device: accepter, name: redeem.name, addresses: addressOf(connection, redeem) },
      redeem.ticketId,
    );
    await sendFrame(stream, { type: 'redeemed', proof: result.answerProof, name: this.deps.ownName() });
    await stream.finish();
  }

  /** The accepter's side: redeems a ticket at the first of its addresses that answers. Throws {@link PairingError}. */
  async redeem(ticket: TicketToRedeem, signal: AbortSignal): Promise<PairedPeer> {
    let last: PairingError | undefined;
    for (const address of ticket.addresses) {
      try {
        return await this.redeemAt(address, ticket, signal);
      } catch (error) {
        last =
          error instanceof PairingError
            ? error
            : new PairingError('unreachable', `no answer from ${address.host}:${address.port}`, {
                cause: error,
              });
        if (last.code === 'refused' || signal.aborted) throw last;
      }
    }
    throw last ?? new PairingError('unreachable', 'the ticket names no address');
  }

  private async redeemAt(
    address: SocketAddress,
    ticket: TicketToRedeem,
    signal: AbortSignal,
  ): Promise<PairedPeer> {
    const { connection, device } = await this.deps.dial(address, signal);
    const cancel = this.deps.clock.after(
      CONNECTION_MS,
      () => void connection.close(CloseCode.handshakeTimeout, 'pairing took too long'),
    );
    try {
      // Nothing is sent before this: whoever answers at that address must be the one who wrote the ticket.
      if (device !== ticket.inviter) {
        throw new PairingError(
          'wrong-device',
          `another device than the inviter answers at ${address.host}:${address.port}`,
        );
      }
      const stream = await connection.openBidi();
      await stream.write(Uint8Array.of(StreamKind.pairing));
      const { ticketId, proof } = ticket;
      await sendFrame(stream, {
        type: 'redeem',
        ticketId,
        proof,
        name: this.deps.ownName(),
        listenPort: this.deps.listenPort(),
      });
      const answer = await readFrame(stream, new Uint8Array(0));
      if (answer?.type === 'pairRefused') throw new PairingError('refused', refusalText(answer.reason));
      if (answer?.type !== 'redeemed') throw new PairingError('unreachable', 'the inviter did not answer');
      if (!ticket.proofsEqual(answer.proof, ticket.expectedAnswer)) {
        throw new PairingError('refused', 'the inviter could not prove that it knows the ticket');
      }
      const peer: PairedPeer = { device, name: answer.name, addresses: [address] };
      this.deps.onPaired(peer, ticketId);
      await stream.finish();
      return peer;
    } finally {
      cancel();
      void connection.close(CloseCode.goodbye, 'pairing is over');
    }
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.connections].map((connection) => connection.close(CloseCode.shuttingDown, 'shutting down')),
    );
  }
}

function addressOf(connection: Connection, redeem: FrameOf<'redeem'>): readonly SocketAddress[] {
  return redeem.listenPort === undefined
    ? []
    : [{ host: connection.remoteAddress.host, port: redeem.listenPort }];
}

function refusalText(reason: string): string {
  switch (reason) {
    case 'expired':
      return 'The ticket has expired. Ask for a new one: landropic pair invite';
    case 'used':
      return 'Another device has used this ticket. Ask for a new one: landropic pair invite';
    case 'rate-limited':
      return 'Too many wrong attempts. Wait a minute and try again.';
    default:
      return 'The other device does not know this ticket. Ask for a new one: landropic pair invite';
  }
}

async function sendFrame(stream: BidiStream, frame: Frame): Promise<void> {
  const { frameType, payload } = encodePayload(frame);
  await stream.write(encodeFrame(frameType, payload));
}

async function readFrame(stream: BidiStream, first: Uint8Array): Promise<Frame | undefined> {
  for await (const raw of readFrames(stream, (type) => frameLimit(StreamKind.pairing, type), first)) {
    const frame = decodePayload(raw.type, raw.payload);
    if (frame !== undefined) return frame;
  }
  return undefined;
}
