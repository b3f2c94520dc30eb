import {
  type CloseInfo,
  type Connection,
  type Endpoint,
  type SocketAddress,
  TransportError,
  type VerifyPeer,
} from '../transport.js';
import { AddressRace, type PoolClock } from './address-race.js';
import { DialPolicy, type DialPolicyOptions, isNotPaired, orderAddresses } from './dial-policy.js';

export interface PeerConnectorDependencies {
  readonly endpoint: Pick<Endpoint, 'connect'>;
  readonly alpn: string;
  /** Accepts this one device only. */
  readonly verifyPeer: VerifyPeer;
  readonly clock: PoolClock;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export interface PeerConnectorOptions extends DialPolicyOptions {
  /** Best first; at most eight are tried. */
  readonly addresses: readonly SocketAddress[];
  /** A connection that this connector dialled. It counts as up until it closes, or until `lost`. */
  readonly onConnection: (connection: Connection) => void;
  /** Called for every address that failed, and not for attempts that were given up. */
  readonly onAttemptFailed: (error: unknown, address: SocketAddress) => void;
}

/**
 * Keeps trying to reach one device while no session with it is up.
 *
 * 1. It dials only between `start` and `stop`, and only while nothing is up.
 * 2. At most one race over the addresses runs; every connection that comes of it is handed over or closed with 5.
 * 3. While nothing is up and addresses are known, a race runs or a timer for the next one does.
 */
export class PeerConnector {
  private readonly policy: DialPolicy;
  private addresses: readonly SocketAddress[];
  private lastAuthenticated: SocketAddress | undefined;
  private isStarted = false;
  private isUp = false;
  /** The connection that is up, when it is known. */
  private current: Connection | undefined;
  private race: AddressRace | undefined;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly deps: PeerConnectorDependencies,
    private readonly options: PeerConnectorOptions,
  ) {
    this.policy = new DialPolicy(deps.random, options);
    this.addresses = options.addresses;
  }

  /** The peer said that it does not know us: it is asked again every ten minutes, or upon `kick`. */
  get notPaired(): boolean {
    return this.policy.notPaired;
  }

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.dial();
  }

  /** Gives up what is being dialled. Connections that were handed over stay with their owner. Idempotent. */
  stop(): void {
    this.isStarted = false;
    this.giveUp();
  }

  /** `fresh`: the device was seen just now, or this machine's own addresses changed, so that dialling may work at once. */
  setAddresses(addresses: readonly SocketAddress[], { fresh }: { readonly fresh: boolean }): void {
    const knewNone = this.addresses.length === 0;
    this.addresses = addresses;
    const isNews = fresh && this.policy.refresh(this.deps.clock.nowMs());
    if (isNews && this.race !== undefined) this.race.add(this.ordered());
    else if (isNews || (knewNone && this.cancelTimer === undefined)) this.dial();
  }

  /** Dials now, unless a session is up. */
  kick(): void {
    this.policy.reset();
    this.dial();
  }

  /** A session is up, over this connection, whoever dialled it. */
  connected(connection: Connection): void {
    this.isUp = true;
    this.giveUp();
    this.policy.connected(this.deps.clock.nowMs());
    this.watch(connection);
  }

  /** No session is up any more. */
  lost(closeInfo: CloseInfo): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.current = undefined;
    this.dialAfter(this.policy.lost(closeInfo, this.deps.clock.nowMs()));
  }

  private watch(connection: Connection): void {
    if (this.current === connection) return;
    this.current = connection;
    void connection.closed.then((closeInfo) => {
      if (this.current === connection) this.lost(closeInfo);
    });
  }

  private ordered(): readonly SocketAddress[] {
    return orderAddresses(this.addresses, this.lastAuthenticated);
  }

  private dialAfter(delayMs: number): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (!this.isStarted) return;
    this.cancelTimer = this.deps.clock.after(delayMs, () => {
      this.cancelTimer = undefined;
      this.dial();
    });
  }

  private giveUp(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.race?.stop();
    this.race = undefined;
  }

  private dial(): void {
    if (!this.isStarted || this.isUp || this.race !== undefined || this.addresses.length === 0) return;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const { endpoint, alpn, verifyPeer, clock } = this.deps;
    let toldNotPaired = false;
    const connect = async (address: SocketAddress, signal: AbortSignal) =>
      endpoint.connect(address, { alpn, verifyPeer, signal });
    const race = new AddressRace(
      { connect, clock },
      {
        won: (connection, address) => this.won(connection, address),
        failed: (error, address) => {
          if (error instanceof TransportError) toldNotPaired ||= isNotPaired(error.details.closeInfo);
          this.options.onAttemptFailed(error, address);
        },
        lost: () => {
          this.race = undefined;
          this.dialAfter(this.policy.failed(toldNotPaired));
        },
      },
    );
    this.race = race;
    race.add(this.ordered());
  }

  private won(connection: Connection, address: SocketAddress): void {
    this.race = undefined;
    this.isUp = true;
    this.lastAuthenticated = address;
    this.watch(connection);
    this.options.onConnection(connection);
  }
}
