import { type Connection, createQuicEndpoint, type Endpoint, type VerifyPeer } from '@landropic/quic';
import { certificateKey, createSelfSignedCredentials } from '@landropic/quic/testing';

const PROTOCOL = 'example/1';

export interface TwoEndpoints {
  /** What the dialling side holds of the connection. */
  readonly dialled: Connection;
  /** What the accepting side holds of it. */
  readonly accepted: Connection;
  close(): Promise<void>;
}

/** Both ends of a connection in one process, each with a socket and a key of its own. */
export async function connectTwoEndpoints(): Promise<TwoEndpoints> {
  const acceptorCredentials = createSelfSignedCredentials();
  const dialler = await createEndpoint(createSelfSignedCredentials(), acceptAnyone);
  const acceptor = await createEndpoint(acceptorCredentials, acceptAnyone);
  acceptor.setAcceptedProtocols([PROTOCOL]);
  const accepting = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
  const dialled = await dialler.connect(acceptor.localAddress, {
    alpn: PROTOCOL,
    verifyPeer: acceptOnly(acceptorCredentials.key),
  });
  return {
    dialled,
    accepted: await accepting,
    close: async () => {
      await dialler.close(0, 'goodbye');
      await acceptor.close(0, 'goodbye');
    },
  };
}

function createEndpoint(
  credentials: ReturnType<typeof createSelfSignedCredentials>,
  verifyPeer: VerifyPeer,
): Promise<Endpoint> {
  return createQuicEndpoint({ listen: { host: '127.0.0.1', port: 0 }, credentials, verifyPeer });
}

/** Who the peer is, is known by its key. Whether it may come in, is for the program to say: here, everybody may. */
export const acceptAnyone: VerifyPeer = ([certificate]) =>
  certificate === undefined
    ? { accepted: false, closeCode: 4, reason: 'no certificate' }
    : { accepted: true, identity: { key: certificateKey(certificate) } };

/** Only the holder of one key. Nothing else says who somebody is: no name, no address. */
export function acceptOnly(key: string): VerifyPeer {
  return (chain, protocol) => {
    const verdict = acceptAnyone(chain, protocol);
    if (verdict.accepted && verdict.identity.key !== key)
      return { accepted: false, closeCode: 4, reason: 'somebody else' };
    return verdict;
  };
}
