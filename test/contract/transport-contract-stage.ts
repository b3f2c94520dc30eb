import { createHash } from 'node:crypto';
import {
  type BidiStream,
  type Connection,
  type DialOptions,
  type Endpoint,
  type IncomingStream,
  type PeerVerdict,
  type ReceiveStream,
  type SendStream,
  type SocketAddress,
  TransportError,
  type TransportProfile,
  type VerifyPeer,
} from '../../packages/quic/src/index.js';

export interface ContractEndpointOptions {
  readonly verifyPeer: VerifyPeer;
  readonly profile?: TransportProfile;
  /** Default: a free one. */
  readonly listen?: SocketAddress;
}

/** What an implementation brings, so that the contract can be run on it. */
export interface TransportHarness {
  createEndpoint(options: ContractEndpointOptions): Promise<Endpoint>;
  /** Where nobody listens. */
  readonly deadAddress: SocketAddress;
  /** Streams overtake each other on the way, as they do where packets are lost. */
  readonly isReordering?: boolean;
  stop(): Promise<void>;
}

export const ALPN = 'contract/1';
export const NOT_PAIRED = 4;

export const acceptAnyone: VerifyPeer = (chain) => ({ accepted: true, identity: { key: hash(chain[0]) } });

export function refuse(closeCode: number, reason: string): VerifyPeer {
  return (): PeerVerdict => ({ accepted: false, closeCode, reason });
}

export function hash(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? new Uint8Array(0))
    .digest('hex');
}

/** Everything of a stream, joined. */
export async function readAll(stream: ReceiveStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) return Buffer.concat(chunks);
    chunks.push(bytes);
  }
}

export async function writeAll(
  stream: SendStream,
  ...chunks: readonly (Uint8Array | string)[]
): Promise<void> {
  for (const chunk of chunks) await stream.write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  await stream.finish();
}

export function asBidi(stream: IncomingStream): BidiStream {
  if (stream.kind !== 'bidi') throw new Error('expected a bidirectional stream');
  return stream;
}

/** Gives back on every bidirectional stream what came in on it. */
export function echoStreams(connection: Connection): void {
  connection.onStream((incoming) => {
    const stream = asBidi(incoming);
    void (async () => {
      for (;;) {
        const bytes = await stream.read();
        if (bytes === null) break;
        await stream.write(bytes);
      }
      await stream.finish();
    })().catch(() => {});
  });
}

/** The streams that a connection hands up, one by one. */
export function collectStreams(connection: Connection): () => Promise<IncomingStream> {
  const ready: IncomingStream[] = [];
  const waiting: ((stream: IncomingStream) => void)[] = [];
  connection.onStream((stream) => {
    const next = waiting.shift();
    if (next === undefined) ready.push(stream);
    else next(stream);
  });
  return () => {
    const stream = ready.shift();
    return stream === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(stream);
  };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await errorOf(promise)).code;
}

export async function errorOf(promise: Promise<unknown>): Promise<TransportError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
  throw new Error('expected a TransportError');
}

/** A stream that both sides use to see that the connection is alive and that everything sent before has been handled. */
export async function openPing(dialler: Connection): Promise<() => Promise<void>> {
  const stream = await dialler.openBidi({ urgency: 0 });
  return async () => {
    await stream.write(Buffer.from('p'));
    await stream.read();
  };
}

/** One test's endpoints, on a harness of their own. */
export class ContractStage {
  readonly #endpoints: Endpoint[] = [];
  #harness: TransportHarness | undefined;

  constructor(private readonly createHarness: () => Promise<TransportHarness>) {}

  async start(): Promise<TransportHarness> {
    this.#harness ??= await this.createHarness();
    return this.#harness;
  }

  async stop(): Promise<void> {
    const endpoints = this.#endpoints.splice(0);
    await Promise.all(endpoints.map((endpoint) => endpoint.close(0, 'the test is over')));
    await this.#harness?.stop();
    this.#harness = undefined;
  }

  async createEndpoint(options: Partial<ContractEndpointOptions> = {}): Promise<Endpoint> {
    const harness = await this.start();
    const endpoint = await harness.createEndpoint({ verifyPeer: acceptAnyone, ...options });
    endpoint.setAcceptedProtocols([ALPN]);
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  dial(from: Endpoint, to: Endpoint, options: Partial<DialOptions> = {}): Promise<Connection> {
    return from.connect(to.localAddress, { alpn: ALPN, verifyPeer: acceptAnyone, ...options });
  }

  /** Two connected endpoints; `accepted` is the acceptor's end. */
  async connect(options: Partial<ContractEndpointOptions> = {}) {
    const diallerEndpoint = await this.createEndpoint(options);
    const acceptorEndpoint = await this.createEndpoint(options);
    const incoming = new Promise<Connection>((resolve) => acceptorEndpoint.onConnection(resolve));
    const dialled = await this.dial(diallerEndpoint, acceptorEndpoint);
    return { diallerEndpoint, acceptorEndpoint, dialled, accepted: await incoming };
  }
}
