import type { Connection, IncomingStream, ReceiveStream } from '@landropic/quic';
import { FrameError, TransportError } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { Grease } from '../core/session/grease.js';
import { Handshake, type HandshakeAction, type HandshakePeer } from '../core/session/handshake.js';
import type { FolderActivity, Presence } from '../core/session/peer-presence.js';
import { WireError } from '../core/wire/codec.js';
import { CloseCode } from '../core/wire/frame-types.js';
import type { FolderState, Frame } from '../core/wire/frames.js';
import { Limits } from '../core/wire/limits.js';
import { readControlFrames } from './control-frames.js';
import { ControlStream } from './control-stream.js';
import { identifyStream } from './incoming-streams.js';
import { PingClock } from './ping-clock.js';
import { plainText } from './plain-text.js';
import { SessionDatagrams } from './session-datagrams.js';
import { SessionFolders } from './session-folders.js';
import type { ChunkExchange, ChunkSpread, PeerSessionDependencies } from './session-ports.js';

export type {
  ChunkExchange,
  ChunkSpread,
  PeerSessionDependencies,
  SessionEvents,
  SessionIdentity,
} from './session-ports.js';

/** After a Goodbye what is under way has this long. */
const GOODBYE_MS = 5_000;
const GOODBYE_SLACK_MS = 1_000;
const IDLE_CHECK_MS = 20;
/** How long the side that dialled has to close what it has replaced. */
const SUPERSEDED_MS = 2_000;
/** How long a close waits for the control frames before it. */
const FLUSH_MS = 500;

/** One connection to one paired device, from its handshake to its end: reads every stream, routes every frame. */
export class PeerSession {
  readonly device: DeviceKey;
  readonly folders: SessionFolders;
  private readonly handshake: Handshake;
  private readonly pings: PingClock;
  private peerInfo: HandshakePeer | undefined;
  private theirFolders: readonly FolderState[] = [];
  private readonly control: ControlStream;
  private readonly datagrams: SessionDatagrams;
  private readonly chosen: Promise<void>;
  private resolveChosen: () => void = () => {};
  private exchange: ChunkExchange | undefined;
  private spread: ChunkSpread | undefined;
  private controlSeen = false;
  private active = false;
  private ended = false;
  private closing: Promise<void> | undefined;
  private cancelDeadline: (() => void) | undefined;

  constructor(private readonly deps: PeerSessionDependencies) {
    this.device = deps.device;
    this.chosen = new Promise((resolve) => {
      this.resolveChosen = resolve;
    });
    const { connection, clock, random } = deps;
    const grease = random && new Grease(random);
    this.control = new ControlStream({ connection, clock, grease, onFailure: (error) => this.fail(error) });
    this.pings = new PingClock(clock, (nonce) => this.sendControl({ type: 'ping', nonce }));
    this.folders = this.createFolders(grease);
    this.datagrams = new SessionDatagrams({
      datagrams: connection.datagrams,
      clock,
      isExchanged: (folder) => this.folders.isOpen(folder),
      sequenceOf: (folder) => this.folders.sequenceOf(folder),
      onFailure: (error) => this.fail(error),
    });
    this.handshake = new Handshake(
      {
        role: connection.role,
        hello: { ...deps.identity, features: grease?.features() ?? [] },
        ownFolders: () => this.folders.announceAll(),
        sessionId: deps.sessionId,
        connectionRole: deps.connectionRole ?? 'primary',
        ...(deps.refuse === undefined ? {} : { refuse: deps.refuse }),
      },
      clock.monotonicMs(),
    );
  }

  get connection(): Connection {
    return this.deps.connection;
  }

  /** What the peer said of itself; undefined before the handshake is done. */
  get peer(): HandshakePeer | undefined {
    return this.peerInfo;
  }

  get rttMs(): number | undefined {
    return this.pings.lastRoundTripMs;
  }

  /** What the peer says of itself; `online` while it says nothing. */
  get presence(): Presence {
    return this.datagrams.peerPresence;
  }

  /** What the peer hinted of a folder last. */
  activityOf(folder: FolderId): FolderActivity | undefined {
    return this.datagrams.activityOf(folder);
  }

  /** The connection carries chunks alone, beside a primary one. */
  get isData(): boolean {
    return this.peerInfo?.role === 'data';
  }

  /** What its connection carries of chunks; undefined while it is not active. */
  get chunks(): ChunkExchange | undefined {
    return this.ended ? undefined : this.exchange;
  }

  get isActive(): boolean {
    return this.active;
  }

  start(): void {
    this.deps.connection.onStream((stream) => void this.accept(stream));
    void this.deps.connection.closed.then(() => this.end());
    this.perform(this.handshake.start());
    this.armDeadline();
  }

  /** This connection stays: folders in common start to be exchanged, or chunks alone where it is for data. */
  activate(): void {
    if (this.active || this.ended) return;
    this.active = true;
    this.exchange = this.deps.exchange((error) => this.fail(error));
    if (this.isData) {
      this.resolveChosen();
      return;
    }
    this.spread = this.deps.spread?.(this.exchange.client);
    this.datagrams.start();
    this.folders.theirs(this.theirFolders);
    this.control.sendGrease();
    this.resolveChosen();
  }

  /** One round trip of the application, in ms. Rejects when the deadline passes or the session ends. */
  ping(timeoutMs: number, signal?: AbortSignal): Promise<number> {
    return this.pings.measure(timeoutMs, signal);
  }

  /** Tells the peer to ask for nothing more here. */
  sayGoodbye(reason: string): void {
    this.sendControl({ type: 'goodbye', reason });
  }

  /** Says goodbye, asks for nothing more, lets what is under way finish within 5 s, and closes. */
  async leave(): Promise<void> {
    if (this.ended || !this.active) return this.close(CloseCode.shuttingDown, 'shutting down');
    this.sendControl({ type: 'goodbye', reason: 'shutting down' });
    this.datagrams.leave();
    this.folders.quiesce();
    const isIdle = await this.becomesIdle(GOODBYE_MS);
    if (isIdle) return this.close(CloseCode.goodbye, 'goodbye');
    return this.close(CloseCode.shuttingDown, 'shutting down');
  }

  /**
   * Another connection, which the peer has dialled, takes its place. The peer hears of that last: were this one closed at
   * once, there would be a time at which it knew of none.
   */
  supersede(): void {
    this.end();
    const { connection, clock } = this.deps;
    const close = () => void connection.close(CloseCode.duplicateConnection, 'another connection stays');
    void connection.closed.then(clock.after(SUPERSEDED_MS, close));
  }

  /** Nothing is sent or taken from now on; what was sent on control goes out before the close. */
  close(code: CloseCode, reason: string): Promise<void> {
    this.end();
    const { connection } = this.deps;
    this.closing ??= this.control.flush(FLUSH_MS)?.then(() => connection.close(code, reason));
    return this.closing ?? connection.close(code, reason);
  }

  private createFolders(grease: Grease | undefined): SessionFolders {
    const { deps } = this;
    return new SessionFolders(
      {
        connection: deps.connection,
        device: deps.device,
        clock: deps.clock,
        sharedFolders: deps.sharedFolders,
        send: (frame) => this.sendControl(frame),
        supplier: () => this.spread ?? this.requireExchange().client,
        onOffered: (states) => deps.events.offered(this, states),
        onShared: (folder) => deps.events.shared(this, folder),
        onChanged: (folder) => this.datagrams.noteActivity(folder),
        onAuthored: () => this.datagrams.noteChange(),
        onClosed: (folder) => this.datagrams.forget(folder),
        onOpened: (writer) => {
          const frame = grease?.frame();
          if (frame !== undefined)
            writer.sendEncoded(frame.frameType, frame.payload).catch((error) => this.fail(error));
        },
        onFailure: (error) => this.fail(error),
      },
      deps.overload === undefined ? {} : { overload: deps.overload },
    );
  }

  /** True once neither side has a request of chunks open; false when the time is over, or the session. */
  private async becomesIdle(withinMs: number): Promise<boolean> {
    const { clock } = this.deps;
    const deadlineMs = clock.monotonicMs() + withinMs;
    while (!this.ended && clock.monotonicMs() < deadlineMs) {
      const serving = (this.exchange?.serving?.() ?? 0) + (this.spread?.serving() ?? 0);
      if (this.folders.requestsUnderWay + serving === 0) return true;
      await new Promise<void>((resolve) => clock.after(IDLE_CHECK_MS, resolve));
    }
    return false;
  }

  private requireExchange(): ChunkExchange {
    if (this.exchange === undefined) throw new Error('chunks are exchanged in an active session only');
    return this.exchange;
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.cancelDeadline?.();
    this.datagrams.stop();
    this.pings.stop();
    this.spread?.close();
    this.exchange?.client.close();
    this.resolveChosen();
    try {
      this.folders.stop();
    } catch (error) {
      this.deps.events.failed(this, error);
    }
  }

  private async accept(stream: IncomingStream): Promise<void> {
    if (this.ended) return;
    try {
      // No stream but control is read past its kind before the handshake is done and this connection was chosen.
      const identified = await identifyStream(stream, this.deps.clock);
      if (identified.kind === 'control') {
        if (this.controlSeen) throw new WireError('malformed', 'a second control stream');
        this.controlSeen = true;
        await this.readControl(identified.stream, identified.rest);
        return;
      }
      // The handshake's deadline bounds this wait: after it the connection is chosen, or closed.
      await this.chosen;
      if (this.ended) return;
      if (identified.kind === 'chunks')
        await this.requireExchange().serve(identified.stream, identified.rest);
      else if (this.isData) throw new WireError('malformed', `a stream for ${identified.kind} beside chunks`);
      else if (identified.kind === 'index' || identified.kind === 'receipts') {
        await this.folders.read(identified.kind, identified.streamKind, identified.stream, identified.rest);
      } else throw new WireError('malformed', 'a pairing stream on a paired connection');
    } catch (error) {
      this.fail(error);
    }
  }

  private async readControl(stream: ReceiveStream, rest: Uint8Array): Promise<void> {
    for await (const frame of readControlFrames(stream, rest, this.deps.clock)) {
      if (this.ended) return;
      this.takeControl(frame);
    }
    if (!this.ended) throw new WireError('malformed', 'the control stream ended');
  }

  private takeControl(frame: Frame): void {
    if (this.peerInfo === undefined) {
      this.perform(this.handshake.handle(frame, this.deps.clock.monotonicMs()));
      return;
    }
    if (this.isData && !DATA_FRAMES.has(frame.type))
      throw new WireError('malformed', `a ${frame.type} frame on a connection for data`);
    switch (frame.type) {
      case 'ping':
        this.sendControl({ type: 'pong', nonce: frame.nonce });
        break;
      case 'pong':
        this.pings.answered(frame.nonce);
        break;
      case 'throttle':
        this.folders.throttled(frame);
        break;
      case 'goodbye':
        if (this.isData) this.deps.events.retired?.(this);
        else this.peerLeaves();
        break;
      case 'folderOffer':
      case 'folderAccept':
        this.takeState(frame.state);
        break;
      case 'folderRemove':
      case 'folderDecline':
        this.theirFolders = this.theirFolders.filter(({ folder }) => folder !== frame.folder);
        this.folders.withdrawn(frame.folder);
        this.deps.events.withdrawn(this, frame.folder);
        break;
      case 'folderPause':
        this.folders.paused(frame.folder, frame.paused);
        break;
      case 'error':
        this.deps.events.reported(this, plainText(frame.text));
        break;
      case 'shardAssignment':
      case 'folderPromoted':
      case 'folderDemoted':
        // Advice: every frame of an index names its folder.
        break;
      default:
        throw new WireError('malformed', `a ${frame.type} frame after the handshake`);
    }
  }

  private takeState(state: FolderState): void {
    if (this.active) {
      this.folders.theirs([state]);
      return;
    }
    this.theirFolders = [...this.theirFolders.filter(({ folder }) => folder !== state.folder), state];
    if (this.theirFolders.length > Limits.foldersPerDevice)
      throw new WireError('limit-exceeded', 'too many folders are offered');
  }

  /** It closes when it has what it waits for; we see to it that it does. */
  private peerLeaves(): void {
    this.folders.quiesce();
    this.cancelDeadline?.();
    this.cancelDeadline = this.deps.clock.after(
      GOODBYE_MS + GOODBYE_SLACK_MS,
      () => void this.close(CloseCode.goodbye, 'goodbye'),
    );
  }

  private perform(actions: readonly HandshakeAction[]): void {
    for (const action of actions) {
      if (action.do === 'send') this.sendControl(action.frame);
      else if (action.do === 'close') this.refuse(action.code, action.reason);
      else {
        this.peerInfo = action.peer;
        this.theirFolders = action.theirFolders;
        this.cancelDeadline?.();
        this.deps.events.established(this);
      }
    }
  }

  private armDeadline(): void {
    const delayMs = Math.max(0, this.handshake.deadlineMs - this.deps.clock.monotonicMs());
    this.cancelDeadline = this.deps.clock.after(delayMs, () => {
      this.perform(this.handshake.tick(this.deps.clock.monotonicMs()));
    });
  }

  private sendControl(frame: Frame): void {
    if (!this.ended) this.control.send(frame);
  }

  /** Whatever came out of reading or writing one of the streams ends all of them. */
  private fail(error: unknown): void {
    if (this.ended) return;
    if (error instanceof WireError) this.refuse(error.closeCode, error.message);
    else if (error instanceof FrameError) this.refuse(closeCodeOf(error), error.message);
    else if (error instanceof TransportError && error.code === 'connection-closed') this.end();
    else if (error instanceof TransportError && WAS_CUT.has(error.code))
      this.refuse(CloseCode.protocolError, 'a stream was reset');
    else {
      this.deps.events.failed(this, error);
      void this.close(CloseCode.internalError, 'internal error');
    }
  }

  private refuse(code: CloseCode, reason: string): void {
    if (this.ended) return;
    if (code !== CloseCode.handshakeTimeout) this.deps.events.violated(this, reason);
    // Who has not been greeted yet is told by the close alone.
    if (this.control.isOpen) this.sendControl({ type: 'error', code, text: reason });
    void this.close(code, reason);
  }
}

/** What may come on the control stream of a connection for data. */
const DATA_FRAMES: ReadonlySet<Frame['type']> = new Set(['ping', 'pong', 'goodbye', 'error']);

/** Streams end with FIN; cancelling and refusing are frames. */
const WAS_CUT: ReadonlySet<TransportError['code']> = new Set(['stream-reset', 'stream-stopped']);

function closeCodeOf(error: FrameError): CloseCode {
  return error.code === 'too-long' ? CloseCode.limitExceeded : CloseCode.protocolError;
}
