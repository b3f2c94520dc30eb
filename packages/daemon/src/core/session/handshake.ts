import { CloseCode } from '../wire/frame-types.js';
import type { FolderState, Frame, FrameOf } from '../wire/frames.js';

export type HandshakeRole = 'dialler' | 'acceptor';

export interface HandshakeOptions {
  readonly role: HandshakeRole;
  readonly hello: {
    readonly bootId: string;
    readonly name: string;
    readonly software: string;
    readonly features: readonly string[];
  };
  /** Asked once, when Auth or AuthOk is sent: nothing of it is told before the peer has said Hello. */
  readonly ownFolders: () => readonly FolderState[];
  /** Names the session; the acceptor's counts. */
  readonly sessionId: string;
  /** What a dialler wants the connection for. Default primary. */
  readonly connectionRole?: 'primary' | 'data';
  /** Asked once, when everything of the peer is known: why it is not taken. Default: it is. */
  readonly refuse?: () => HandshakeRefusal | undefined;
  /** For both sides together. Default 10,000. */
  readonly timeoutMs?: number;
}

export interface HandshakePeer {
  readonly bootId: string;
  readonly name: string;
  readonly software: string;
  /** Those that both sides have. */
  readonly features: readonly string[];
  readonly version: number;
  readonly sessionId: string;
  /** What the connection is for, as its dialler said. */
  readonly role: 'primary' | 'data';
}

export interface HandshakeRefusal {
  readonly code: CloseCode;
  readonly reason: string;
}

export type HandshakeAction =
  | { readonly do: 'send'; readonly frame: Frame }
  | {
      readonly do: 'established';
      readonly peer: HandshakePeer;
      readonly theirFolders: readonly FolderState[];
    }
  | { readonly do: 'close'; readonly code: CloseCode; readonly reason: string };

type State =
  | 'new'
  | 'awaits-hello'
  | 'awaits-hello-ack'
  | 'awaits-auth'
  | 'awaits-auth-ok'
  | 'refused'
  | 'done';

const VERSIONS = [1] as const;
const TIMEOUT_MS = 10_000;

/**
 * The handshake of landropic/1 without its streams and clock: frames and time in, actions out, to be carried out in order.
 *
 * 1. The dialler speaks first. The acceptor sends nothing before Hello came, and so opens its control stream with HelloAck.
 * 2. Each state takes exactly one type of frame; any other is a protocol error.
 * 3. It ends once: established, or closed. After that it takes nothing and does nothing.
 * 4. Established means on both sides: version, features and folders of the other are known, its own were sent.
 * 5. A connection for data tells of no folders: it has its primary's.
 * 6. A peer that knows no common version is told so by a HelloAck without one before the connection closes.
 */
export class Handshake {
  /** When {@link tick} ends it, on the clock of the constructor's `nowMs`. */
  readonly deadlineMs: number;
  private state: State = 'new';
  private peer: HandshakePeer | undefined;

  constructor(
    private readonly options: HandshakeOptions,
    nowMs: number,
  ) {
    this.deadlineMs = nowMs + (options.timeoutMs ?? TIMEOUT_MS);
  }

  get isDone(): boolean {
    return this.state === 'done';
  }

  start(): readonly HandshakeAction[] {
    if (this.state !== 'new') return [];
    const { role, hello, connectionRole = 'primary' } = this.options;
    if (role === 'acceptor') {
      this.state = 'awaits-hello';
      return [];
    }
    this.state = 'awaits-hello-ack';
    return [send({ type: 'hello', versions: VERSIONS, role: connectionRole, ...hello })];
  }

  handle(frame: Frame, nowMs: number): readonly HandshakeAction[] {
    if (this.state === 'done') return [];
    if (nowMs >= this.deadlineMs) return this.tick(nowMs);
    if (this.state === 'refused') return [];
    if (frame.type === 'error' || frame.type === 'goodbye' || frame.type === 'authFailed') {
      this.state = 'refused';
      return [];
    }
    if (this.state === 'awaits-hello' && frame.type === 'hello') return this.answerHello(frame);
    if (this.state === 'awaits-hello-ack' && frame.type === 'helloAck') return this.authenticate(frame);
    if (this.state === 'awaits-auth' && frame.type === 'auth') {
      return this.establish(frame.folders, () => [send({ type: 'authOk', folders: this.toldFolders() })]);
    }
    if (this.state === 'awaits-auth-ok' && frame.type === 'authOk') {
      return this.establish(frame.folders, () => []);
    }
    return this.close(CloseCode.protocolError, `a ${frame.type} frame out of order in the handshake`);
  }

  tick(nowMs: number): readonly HandshakeAction[] {
    if (this.state === 'done' || nowMs < this.deadlineMs) return [];
    if (this.state === 'refused')
      return this.close(CloseCode.handshakeFailed, 'the peer ended the handshake');
    return this.close(CloseCode.handshakeTimeout, 'the handshake took too long');
  }

  private answerHello(frame: FrameOf<'hello'>): readonly HandshakeAction[] {
    const { sessionId, hello } = this.options;
    const version = VERSIONS.filter((known) => frame.versions.includes(known)).at(-1);
    const features = this.inCommon(frame.features);
    const ack = send({ type: 'helloAck', version, sessionId, ...hello, features });
    if (version === undefined) return [ack, ...this.close(CloseCode.handshakeFailed, NO_VERSION)];
    const { bootId, name, software, role } = frame;
    this.peer = { bootId, name, software, features, version, sessionId, role };
    this.state = 'awaits-auth';
    return [ack];
  }

  private authenticate(frame: FrameOf<'helloAck'>): readonly HandshakeAction[] {
    const { version, bootId, sessionId, name, software } = frame;
    if (version === undefined) return this.close(CloseCode.handshakeFailed, NO_VERSION);
    if (!VERSIONS.some((offered) => offered === version)) {
      return this.close(CloseCode.protocolError, 'the peer chose a version that was not offered');
    }
    const role = this.options.connectionRole ?? 'primary';
    const features = this.inCommon(frame.features);
    this.peer = { bootId, name, software, features, version, sessionId, role };
    this.state = 'awaits-auth-ok';
    return [send({ type: 'auth', folders: this.toldFolders() })];
  }

  private establish(
    theirFolders: readonly FolderState[],
    answer: () => readonly HandshakeAction[],
  ): readonly HandshakeAction[] {
    if (this.peer === undefined) return this.close(CloseCode.internalError, 'no Hello before Auth');
    if (new Set(theirFolders.map((state) => state.folder)).size < theirFolders.length) {
      return this.close(CloseCode.protocolError, 'the peer told of a folder twice');
    }
    if (this.peer.role === 'data' && theirFolders.length > 0) {
      return this.close(CloseCode.protocolError, 'the peer told of folders on a connection for data');
    }
    const refusal = this.options.refuse?.();
    if (refusal !== undefined) {
      const told = this.options.role === 'acceptor';
      const { code, reason } = refusal;
      return [...(told ? [send({ type: 'authFailed', reason })] : []), ...this.close(code, reason)];
    }
    this.state = 'done';
    return [...answer(), { do: 'established', peer: this.peer, theirFolders }];
  }

  private toldFolders(): readonly FolderState[] {
    return this.peer?.role === 'data' ? [] : this.options.ownFolders();
  }

  private inCommon(features: readonly string[]): readonly string[] {
    return this.options.hello.features.filter((own) => features.includes(own));
  }

  private close(code: CloseCode, reason: string): readonly HandshakeAction[] {
    this.state = 'done';
    return [{ do: 'close', code, reason }];
  }
}

const NO_VERSION =
  'no version of the protocol in common: bring both devices to the same version of landropic';

function send(frame: Frame): HandshakeAction {
  return { do: 'send', frame };
}
