import type { DeviceKey } from '../../packages/daemon/src/core/model/identifiers.js';
import type { Clock } from '../../packages/daemon/src/core/ports/clock.js';
import { ALPN } from '../../packages/daemon/src/core/wire/frame-types.js';
import { dial, type MemoryDevice } from '../../packages/daemon/src/sync/memory-devices.fixture.js';
import type { Connector, PeerLinkDependencies } from '../../packages/daemon/src/sync/peer-link.js';

const RETRY_MS = 400;
/** Whoever refuses or leaves is not asked again in the same instant. */
const AGAIN_MS = 50;
/** Both dial; a little apart, so that most of the time one connection is made and not two. */
const ANSWERING_MS = 100;
const DIAL_MS = 1_000;

/** Dials its device every so often while there is no connection with it. */
export class SimulatedConnector implements Connector {
  private isConnected = false;
  private isStopped = true;
  private cancelTimer: (() => void) | undefined;
  private dialling: AbortController | undefined;

  constructor(
    private readonly own: MemoryDevice,
    private readonly clock: Clock,
    private readonly device: DeviceKey,
    private readonly onConnection: Parameters<PeerLinkDependencies['createConnector']>[0],
  ) {}

  start(): void {
    this.isStopped = false;
    this.schedule(this.own.id < this.device ? 0 : ANSWERING_MS);
  }

  stop(): void {
    this.isStopped = true;
    this.cancelTimer?.();
    this.dialling?.abort();
  }

  setAddresses(): void {}

  kick(): void {
    if (!this.isConnected) this.schedule(0);
  }

  connected(): void {
    this.isConnected = true;
    this.cancelTimer?.();
  }

  lost(): void {
    this.isConnected = false;
    this.schedule(this.own.id < this.device ? AGAIN_MS : AGAIN_MS + ANSWERING_MS);
  }

  private schedule(delayMs: number): void {
    this.cancelTimer?.();
    if (this.isStopped) return;
    this.cancelTimer = this.clock.after(delayMs, () => this.dial());
  }

  private dial(): void {
    if (this.isStopped || this.isConnected || this.dialling !== undefined) return;
    const dialling = new AbortController();
    this.dialling = dialling;
    const cancel = this.clock.after(DIAL_MS, () => dialling.abort());
    const address = { host: `host-${this.device}`, port: 4000 };
    dial(this.own.endpoint, address, ALPN, { expects: this.device, signal: dialling.signal }).then(
      (connection) => {
        cancel();
        this.dialling = undefined;
        if (this.isStopped) void connection.close(0, 'stopped');
        else this.onConnection(connection);
      },
      () => {
        cancel();
        this.dialling = undefined;
        this.schedule(RETRY_MS);
      },
    );
  }
}
