import { TransportError } from '@landropic/quic';
import { CloseCode } from '../core/wire/frame-types.js';
import type { PeerSession } from './peer-session.js';

interface Awaited {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Sessions that were dialled for a purpose: who dialled waits until each is chosen for it, or over. */
export class AwaitedSessions {
  private readonly awaited = new Map<PeerSession, Awaited>();

  /** Rejects when the session ends before, or the signal says so; then it is closed. */
  async wait(session: PeerSession, signal: AbortSignal): Promise<PeerSession> {
    const giveUp = (): void => {
      if (!this.awaited.has(session)) return;
      this.failed(session, signal.reason);
      void session.close(CloseCode.goodbye, 'not needed any more');
    };
    try {
      await new Promise<void>((resolve, reject) => {
        this.awaited.set(session, { resolve, reject });
        signal.addEventListener('abort', giveUp, { once: true });
        if (signal.aborted) giveUp();
      });
      return session;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** False where nobody waits for it (any more). */
  chosen(session: PeerSession): boolean {
    const awaited = this.awaited.get(session);
    this.awaited.delete(session);
    awaited?.resolve();
    return awaited !== undefined;
  }

  /** Nobody waits any more; what the sessions come to is another's concern. */
  failAll(): void {
    for (const session of [...this.awaited.keys()]) this.failed(session);
  }

  failed(
    session: PeerSession,
    error: unknown = new TransportError('connection-closed', 'it ended before it was chosen'),
  ): void {
    const awaited = this.awaited.get(session);
    this.awaited.delete(session);
    awaited?.reject(error);
  }
}
