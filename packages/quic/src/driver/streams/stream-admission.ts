import { TransportCloseCode } from '../../close-codes.js';
import type { StreamCandidate, StreamVerdict } from '../../transport.js';
import type { QuicConnection } from '../connection.js';
import type { ConnectionHost } from '../connection-host.js';
import type { IdentificationPolicy } from './identification-watch.js';

/** Which streams of the peer are handed up. */
export interface StreamAdmission {
  readonly judge: ((stream: StreamCandidate) => StreamVerdict) | undefined;
  readonly identification: IdentificationPolicy | undefined;
  /** Closes the connection. */
  readonly refuse: (closeCode: number, reason: string) => void;
  /** The same for a fault of this side. */
  readonly fail: (reason: string) => void;
}

export function createStreamAdmission(
  connection: QuicConnection,
  { authenticateStream, identification }: Pick<ConnectionHost, 'authenticateStream' | 'identification'>,
): StreamAdmission {
  return {
    judge: authenticateStream && ((stream) => authenticateStream(connection, stream)),
    identification,
    fail: (reason) => {
      const code = TransportCloseCode.internalError;
      connection.abandon(false, code, { by: 'transport', code, reason });
    },
    refuse: (code, reason) => connection.abandon(true, code, { by: 'local', code, reason }),
  };
}
