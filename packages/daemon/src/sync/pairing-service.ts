import type { BidiStream, Connection, IncomingStream, SocketAddress } from '@landropic/quic';
import { AddressRace, TransportError } from '@landropic/quic';
import type { DeviceKey } from '../core/model/identifiers.js';
import { AccepterPairing } from '../core/pairing/accepter-pairing.js';
import { InviterPairing, type RedeemJudgement, type RefusalReason } from '../core/pairing/inviter-pairing.js';
import type { PairedDevice, PairingFailure } from '../core/pairing/pairing-action.js';
import type { Clock } from '../core/ports/clock.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import { WireError } from '../core/wire/wire-error.js';
import { identifyStream } from './incoming-streams.js';
import { PairingConversation } from './pairing-conversation.js';
import { plainText } from './plain-text.js';

export interface PairedPeer {
  readonly device: DeviceKey;
  /** What it calls itself. As stored, once {@link PairingServiceDependencies.store} returned it. */
  readonly name: string;
  readonly addresses: readonly SocketAddress[];
}

/** The invitations that are open here; the crypto package keeps them. */
export interface Invitations {
  isOpen(): boolean;
  redeem(attempt: {
    readonly ticketId: Uint8Array;
    readonly proof: Uint8Array;
    readonly accepter: DeviceKey;
    readonly fromAddress: string;
  }): RedeemJudgement;
}

/** A ticket as the accepter's side uses it. */
export interface TicketToRedeem {
  readonly inviter: DeviceKey;
  readonly addresses: readonly SocketAddress[];
  readonly ticketId: Uint8Array;
  /** That this device knows the secret. */
  readonly proof: Uint8Array;
  /** Whether this is the proof that the inviter knows it, too. */
  readonly isInviterProof: (proof: Uint8Array) => boolean;
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
  /** Connects under the pairing protocol to this device and no other: `peer-rejected` when another one answers. */
  readonly dial: (address: SocketAddress, device: DeviceKey, signal: AbortSignal) => Promise<Connection>;
  readonly deviceOf: (connection: Connection) => DeviceKey;
  /** Stores the pair, durably, and returns it as stored: its name fit for a screen. */
  readonly store: (peer: PairedPeer) => PairedPeer;
  readonly events: PairingServiceEvents;
}

export interface PairingServiceEvents {
  /** A device redeemed an invitation of ours, for the first time. */
  redeemed(peer: PairedPeer, ticketId: Uint8Array): void;
  wrongProof(fromAddress: string): void;
  /** The pair could not be stored. */
  failed(error: unknown): void;
}

const MAX_CONNECTIONS = 4;
/** One address cannot keep all others out. */
const MAX_CONNECTIONS_OF_ADDRESS = 2;
/** An answer that was lost on the way is asked for once more: redeeming twice is the same as once. */
const ATTEMPTS = 2;
/** Refusals that are shown to the person who invited: somebody tries without a ticket. */
const WRONG: ReadonlySet<RefusalReason> = new Set(['unknown', 'wrong-proof']);

/** Pairing by ticket, both sides of it. */
export class PairingService {
  /** The inviter's, with the address each comes from. */
  private readonly connections = new Map<Connection, string>();

  constructor(private readonly deps: PairingServiceDependencies) {}

  /** The inviter's side: answers what comes on one incoming pairing connection. */
  accept(connection: Connection): void {
    const fromAddress = connection.remoteAddress.host;
    if (!this.deps.invitations.isOpen() || this.isCrowded(fromAddress)) {
      void connection.close(CloseCode.limitExceeded, 'no pairing now');
      return;
    }
    this.connections.set(connection, fromAddress);
    void connection.closed.then(() => this.connections.delete(connection));
    const conversation = this.inviteOver(connection, fromAddress);
    let streams = 0;
    connection.onStream((incoming) => {
      if (++streams === 1) void this.answer(conversation, incoming);
      else conversation.fail(new WireError('malformed', 'a second stream in a pairing'));
    });
  }

  /**
   * The accepter's side: redeems a ticket at the first of its addresses where the inviter answers.
   * Throws {@link PairingError}, and what storing throws.
   */
  async redeem(ticket: TicketToRedeem, signal: AbortSignal): Promise<PairedPeer> {
    for (let attempt = 1; ; attempt++) {
      const { connection, address } = await this.reach(ticket, signal);
      const outcome = await this.redeemOver(connection, ticket, signal);
      if ('paired' in outcome) {
        const { name } = outcome.paired;
        return this.deps.store({ device: ticket.inviter, name, addresses: [address] });
      }
      if (outcome.reason !== 'disconnected' || attempt === ATTEMPTS || signal.aborted) throw errorOf(outcome);
    }
  }

  async stop(): Promise<void> {
    const open = [...this.connections.keys()];
    await Promise.all(open.map((connection) => connection.close(CloseCode.shuttingDown, 'shutting down')));
  }

  // ---- the inviter's side

  private isCrowded(fromAddress: string): boolean {
    const ofAddress = [...this.connections.values()].filter((address) => address === fromAddress).length;
    return this.connections.size >= MAX_CONNECTIONS || ofAddress >= MAX_CONNECTIONS_OF_ADDRESS;
  }

  private inviteOver(connection: Connection, fromAddress: string): PairingConversation {
    const { clock, invitations, ownName, deviceOf, events } = this.deps;
    const accepter = deviceOf(connection);
    let ticketId: Uint8Array | undefined;
    const side = new InviterPairing(
      {
        name: ownName(),
        judge: (redeem) => {
          ticketId = redeem.ticketId;
          const judgement = invitations.redeem({ ...redeem, accepter, fromAddress });
          if (judgement.outcome === 'refused' && WRONG.has(judgement.reason)) events.wrongProof(fromAddress);
          return judgement;
        },
      },
      clock.monotonicMs(),
    );
    return new PairingConversation({ connection, clock }, side, {
      paired: (device) => {
        if (ticketId !== undefined) this.storeAccepter(connection, accepter, device, ticketId);
      },
      failed: () => {},
    });
  }

  private storeAccepter(
    connection: Connection,
    device: DeviceKey,
    { name, listenPort, repeated }: PairedDevice,
    ticketId: Uint8Array,
  ): void {
    const addresses =
      listenPort === undefined ? [] : [{ host: connection.remoteAddress.host, port: listenPort }];
    try {
      const stored = this.deps.store({ device, name, addresses });
      if (!repeated) this.deps.events.redeemed(stored, ticketId);
    } catch (error) {
      this.deps.events.failed(error);
      throw error;
    }
  }

  private async answer(conversation: PairingConversation, incoming: IncomingStream): Promise<void> {
    try {
      const identified = await identifyStream(incoming, this.deps.clock);
      if (identified.kind !== 'pairing') throw new WireError('malformed', 'another stream than pairing');
      await conversation.follow(identified.stream, identified.rest);
    } catch (error) {
      conversation.fail(error);
    }
  }

  // ---- the accepter's side

  /** Nothing is sent before the certificate was compared with the ticket: only the inviter is connected to. */
  private reach(
    ticket: TicketToRedeem,
    signal: AbortSignal,
  ): Promise<{ readonly connection: Connection; readonly address: SocketAddress }> {
    const { clock, dial } = this.deps;
    return new Promise((resolve, reject) => {
      const failures: DialFailure[] = [];
      const giveUp = () => {
        race.stop();
        reject(new PairingError('timeout', 'The other device did not answer in time.'));
      };
      const over = () => signal.removeEventListener('abort', giveUp);
      const race = new AddressRace(
        {
          connect: (address, ended) => dial(address, ticket.inviter, AbortSignal.any([ended, signal])),
          clock: { nowMs: () => clock.monotonicMs(), after: (ms, callback) => clock.after(ms, callback) },
        },
        {
          won: (connection, address) => {
            over();
            resolve({ connection, address });
          },
          failed: (error, address) => failures.push({ error, address }),
          lost: () => {
            over();
            reject(unreachable(failures));
          },
        },
      );
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      else race.add(ticket.addresses);
    });
  }

  private async redeemOver(
    connection: Connection,
    ticket: TicketToRedeem,
    signal: AbortSignal,
  ): Promise<RedeemOutcome> {
    const { clock, ownName, listenPort } = this.deps;
    const { ticketId, proof, isInviterProof } = ticket;
    const side = new AccepterPairing(
      { ticketId, proof, isInviterProof, name: ownName(), listenPort: listenPort() },
      clock.monotonicMs(),
    );
    const abort = () => void connection.close(CloseCode.goodbye, 'given up');
    signal.addEventListener('abort', abort, { once: true });
    const outcome = new Promise<RedeemOutcome>((resolve) => {
      const conversation = new PairingConversation({ connection, clock }, side, {
        paired: (paired) => resolve({ paired }),
        failed: (reason, text) => resolve({ reason, text }),
      });
      void this.openStream(connection).then(
        (stream) => conversation.follow(stream, new Uint8Array(0), side.start()),
        (error: unknown) => conversation.fail(error),
      );
    });
    try {
      return await outcome;
    } finally {
      signal.removeEventListener('abort', abort);
      void connection.close(CloseCode.goodbye, 'pairing is over');
    }
  }

  private async openStream(connection: Connection): Promise<BidiStream> {
    const stream = await connection.openBidi();
    await stream.write(Uint8Array.of(StreamKind.pairing));
    return stream;
  }
}

type RedeemOutcome =
  | { readonly paired: PairedDevice }
  | { readonly reason: PairingFailure; readonly text: string };

interface DialFailure {
  readonly error: unknown;
  readonly address: SocketAddress;
}

function errorOf({ reason, text }: { readonly reason: PairingFailure; readonly text: string }): PairingError {
  switch (reason) {
    case 'refused':
      return new PairingError('refused', `The other device refused: ${plainText(text)} ${ASK_AGAIN}`);
    case 'wrong-proof':
      return new PairingError('refused', `The other device could not prove that it made this ticket.`);
    case 'timeout':
      return new PairingError('timeout', 'The other device did not answer in time.');
    case 'protocol-error':
      return new PairingError('unreachable', 'The other device does not pair as this version does.');
    case 'disconnected':
      return new PairingError('unreachable', `The other device ended the connection. ${ASK_AGAIN}`);
  }
}

const ASK_AGAIN = "For a new ticket, there: 'landropic pair invite'.";

function unreachable(failures: readonly DialFailure[]): PairingError {
  const codeOf = ({ error }: DialFailure) => (error instanceof TransportError ? error.code : undefined);
  const at = (some: readonly DialFailure[]) =>
    some.map(({ address: a }) => `${a.host} port ${a.port}`).join(', ');
  const cause = failures[0]?.error;
  const strange = failures.filter((failure) => codeOf(failure) === 'peer-rejected');
  if (strange.length > 0) {
    const text = `Another device than the one that made this ticket answers at ${at(strange)}.`;
    return new PairingError('wrong-device', text, { cause });
  }
  const closed = failures.filter((failure) => codeOf(failure) === 'handshake-failed');
  if (closed.length > 0) {
    const text = `No pairing is offered at ${at(closed)}: the ticket has expired. ${ASK_AGAIN}`;
    return new PairingError('unreachable', text, { cause });
  }
  const text = `No answer from the other device at ${at(failures)}. Does its daemon run, on the same network?`;
  return new PairingError('unreachable', failures.length === 0 ? 'The ticket names no address.' : text, {
    cause,
  });
}
