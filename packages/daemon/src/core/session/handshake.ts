import { CloseCode } from '../wire/frame-types.js';
import type { FolderState, Frame, FrameOf } from '../wire/frames.js';

export interface HandshakeHello {
  /** Names this run of the program: a peer that meets another one knows that all it held from us is gone. */
  readonly bootId: string;
  readonly name: string;
  readonly software: string;
  readonly features: readonly string[];
  /** What the dialler wants the connection for. Default `primary`. */
  readonly connectionRole?: 'primary' | 'data';
}

export interface HandshakeOptions {
  readonly role: 'dialler' | 'acceptor';
  readonly hello: HandshakeHello;
  /** Asked once, when our own folders are to be told. */
  readonly ownFolders: () => readonly FolderState[];
  /** Given out by the acceptor. */
  readonly sessionId: string;
}

export interface HandshakePeer {
  readonly bootId: string;
  readonly name: string;
  readonly software: string;
  /** Those that both sides have. */
  readonly features: readonly string[];
  readonly version: number;
  /** The acceptor's, on both sides. */
  readonly sessionId: string;
  /** What the connection is for. */
  readonly role: 'primary' | 'data';
}

export type HandshakeAction =
  | { readonly do: 'send'; readonly frame: Frame }
  | {
      readonly do: 'established';
      readonly peer: HandshakePeer;
      readonly theirFolders: readonly FolderState[];
    }
  | { readonly do: 'close'; readonly code: CloseCode; readonly reason: string };

export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Versions of the protocol known here, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

type Stage =
  | { readonly at: 'hello' | 'done' }
  /** The dialler waits for HelloAck. */
  | { readonly at: 'helloAck' }
  /** The acceptor waits for Auth, the dialler for AuthOk. */
  | { readonly at: 'auth' | 'authOk'; readonly peer: HandshakePeer };

/**
 * The handshake of one connection, without I/O: frames and time go in, actions come out, to be done in their order.
 *
 *     dialler:  Hello → (HelloAck) → Auth → (AuthOk) → established
 *     acceptor: (Hello) → HelloAck → (Auth) → AuthOk → established
 *
 * 1. Exactly one action ends it: `established` or `close`, each the last of its list. After it nothing comes out.
 * 2. Our folders are told only to a peer with which a version was agreed.
 * 3. A frame out of turn closes with 3, whatever it is; the peer's refusal and the lack of a common version with 1.
 * 4. It ends by `deadlineMs`, if `tick` is called then; a frame that comes later counts as much as none.
 * 5. Only the acceptor chooses: the version is one that the dialler offered, the features are those of both.
 */
export class Handshake {
  /** On the clock of `nowMs`. */
  readonly deadlineMs: number;
  private stage: Stage;

  constructor(
    private readonly options: HandshakeOptions,
    nowMs: number,
  ) {
    this.deadlineMs = nowMs + HANDSHAKE_TIMEOUT_MS;
    this.stage = { at: options.role === 'dialler' ? 'helloAck' : 'hello' };
  }

  /** Call once. */
  start(): HandshakeAction[] {
    if (this.options.role === 'acceptor') return [];
    const { connectionRole, ...hello } = this.options.hello;
    const role = connectionRole ?? 'primary';
    return [{ do: 'send', frame: { type: 'hello', versions: PROTOCOL_VERSIONS, role, ...hello } }];
  }

  handle(frame: Frame, nowMs: number): HandshakeAction[] {
    if (this.stage.at === 'done') return [];
    if (nowMs >= this.deadlineMs) return this.tick(nowMs);
    if (frame.type === 'authFailed') return this.close(CloseCode.handshakeFailed, 'the other side refused');
    if (frame.type === 'error')
      return this.close(CloseCode.handshakeFailed, 'the other side reported an error');
    if (frame.type === 'goodbye') return this.close(CloseCode.goodbye, 'the other side said goodbye');
    const { stage } = this;
    if (stage.at === 'hello' && frame.type === 'hello') return this.takeHello(frame);
    if (stage.at === 'helloAck' && frame.type === 'helloAck') return this.takeHelloAck(frame);
    if (stage.at === 'auth' && frame.type === 'auth') return this.takeAuth(stage.peer, frame);
    if (stage.at === 'authOk' && frame.type === 'authOk')
      return this.establish(stage.peer, frame.folders, []);
    return this.close(CloseCode.protocolError, `${frame.type} out of turn in the handshake`);
  }

  /** Closes when the deadline has come. */
  tick(nowMs: number): HandshakeAction[] {
    if (this.stage.at === 'done' || nowMs < this.deadlineMs) return [];
    return this.close(CloseCode.handshakeTimeout, 'the handshake took too long');
  }

  private takeHello(hello: FrameOf<'hello'>): HandshakeAction[] {
    const { bootId, name, software, features } = this.options.hello;
    const { sessionId } = this.options;
    const version = PROTOCOL_VERSIONS.find((known) => hello.versions.includes(known));
    const common = features.filter((feature) => hello.features.includes(feature));
    const ack: Frame = { type: 'helloAck', version, bootId, sessionId, name, software, features: common };
    if (version === undefined) return [{ do: 'send', frame: ack }, ...this.closeForVersion()];
    const { role } = hello;
    this.stage = { at: 'auth', peer: { ...whoIs(hello), features: common, version, sessionId, role } };
    return [{ do: 'send', frame: ack }];
  }

  private takeHelloAck(ack: FrameOf<'helloAck'>): HandshakeAction[] {
    const { version, sessionId } = ack;
    if (version === undefined) return this.closeForVersion();
    if (!PROTOCOL_VERSIONS.includes(version)) {
      return this.close(CloseCode.protocolError, 'a version was chosen that was not offered');
    }
    const features = this.options.hello.features.filter((feature) => ack.features.includes(feature));
    const role = this.options.hello.connectionRole ?? 'primary';
    this.stage = { at: 'authOk', peer: { ...whoIs(ack), features, version, sessionId, role } };
    return [{ do: 'send', frame: { type: 'auth', folders: this.options.ownFolders() } }];
  }

  private takeAuth(peer: HandshakePeer, auth: FrameOf<'auth'>): HandshakeAction[] {
    const own = (): HandshakeAction => ({
      do: 'send',
      frame: { type: 'authOk', folders: this.options.ownFolders() },
    });
    return this.establish(peer, auth.folders, [own]);
  }

  private establish(
    peer: HandshakePeer,
    theirFolders: readonly FolderState[],
    before: readonly (() => HandshakeAction)[],
  ): HandshakeAction[] {
    if (new Set(theirFolders.map((state) => state.folder)).size < theirFolders.length) {
      return this.close(CloseCode.protocolError, 'a folder was told twice');
    }
    this.stage = { at: 'done' };
    return [...before.map((make) => make()), { do: 'established', peer, theirFolders }];
  }

  private closeForVersion(): HandshakeAction[] {
    return this.close(CloseCode.handshakeFailed, 'no common version of the protocol');
  }

  private close(code: CloseCode, reason: string): HandshakeAction[] {
    this.stage = { at: 'done' };
    return [{ do: 'close', code, reason }];
  }
}

function whoIs(
  frame: FrameOf<'hello'> | FrameOf<'helloAck'>,
): Pick<HandshakePeer, 'bootId' | 'name' | 'software'> {
  return { bootId: frame.bootId, name: frame.name, software: frame.software };
}
