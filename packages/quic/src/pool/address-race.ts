import type { Connection, SocketAddress } from '../transport.js';
import { DUPLICATE_CONNECTION_CODE, sameAddress } from './dial-policy.js';

export interface PoolClock {
  /** Never goes backwards. */
  nowMs(): number;
  /** Calls back once after that many ms; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

export interface AddressRaceDependencies {
  readonly connect: (address: SocketAddress, signal: AbortSignal) => Promise<Connection>;
  readonly clock: PoolClock;
}

export interface AddressRaceEvents {
  /** The first connection. Nothing comes after it. */
  won(connection: Connection, address: SocketAddress): void;
  failed(error: unknown, address: SocketAddress): void;
  /** Every address failed. Nothing comes after it. */
  lost(): void;
}

export const HEAD_START_MS = 250;

/** Dials several addresses of one device, each 250 ms after the one before or as soon as one fails; the first wins. */
export class AddressRace {
  private readonly abort = new AbortController();
  private readonly entered: SocketAddress[] = [];
  private started = 0;
  private running = 0;
  private isOver = false;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly deps: AddressRaceDependencies,
    private readonly events: AddressRaceEvents,
  ) {}

  /** Enters these, unless they were in this race already. The first call starts it. */
  add(addresses: readonly SocketAddress[]): void {
    if (this.isOver) return;
    for (const address of addresses) {
      if (!this.entered.some((other) => sameAddress(address, other))) this.entered.push(address);
    }
    if (this.cancelTimer === undefined) this.startNext();
  }

  /** Gives up: connections that still come are closed. No event comes after it. */
  stop(): void {
    this.isOver = true;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.abort.abort();
  }

  private startNext(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const address = this.entered[this.started];
    if (address === undefined) {
      if (this.running > 0) return;
      this.isOver = true;
      this.events.lost();
      return;
    }
    this.started++;
    this.running++;
    this.cancelTimer = this.deps.clock.after(HEAD_START_MS, () => {
      this.cancelTimer = undefined;
      this.startNext();
    });
    void this.run(address);
  }

  private async run(address: SocketAddress): Promise<void> {
    let connection: Connection;
    try {
      connection = await this.deps.connect(address, this.abort.signal);
    } catch (error) {
      this.running--;
      if (this.isOver) return;
      this.events.failed(error, address);
      // The event may have ended the race.
      if (!this.isOver) this.startNext();
      return;
    }
    if (this.isOver) {
      void connection.close(DUPLICATE_CONNECTION_CODE, 'another address was faster');
      return;
    }
    this.stop();
    this.events.won(connection, address);
  }
}
