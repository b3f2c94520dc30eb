import { createMemoryNetwork, type MemoryNetwork } from '../memory/index.js';
import type { PoolClock } from '../pool/address-race.js';
import type { Connection } from '../transport.js';
import { Waiter } from '../waiter.js';
import { onConnection, RpcClient, type RpcClientOptions, type RunOnConnection } from './rpc-client.js';
import type { RpcError } from './rpc-error.js';
import { type RpcHandler, RpcServer, type RpcServerOptions } from './rpc-server.js';

const ALPN = 'rpc/1';

/** A client and a server on a network in memory. Time passes when the test says. */
export class RpcWorld {
  readonly network: MemoryNetwork = createMemoryNetwork({ latencyMs: 5 });
  readonly clock: PoolClock = {
    nowMs: () => this.network.clock.now(),
    after: (delayMs, run) => this.network.clock.schedule(delayMs, run),
  };
  readonly violations: unknown[] = [];
  readonly handlerErrors: unknown[] = [];
  readonly server: RpcServer;

  constructor(handlers: Readonly<Record<string, RpcHandler>>, serverOptions: RpcServerOptions = {}) {
    this.server = new RpcServer(
      { handlers, clock: this.clock, onHandlerError: (error) => this.handlerErrors.push(error) },
      serverOptions,
    );
  }

  /** Both ends of a fresh connection; the server serves what the client opens. */
  async connect(): Promise<{ readonly dialled: Connection; readonly accepted: Connection }> {
    const verifyPeer = () => ({ accepted: true, identity: { key: 'peer' } }) as const;
    const [near, far] = ['10.0.0.1', '10.0.0.2'].map((host) =>
      this.network.endpoint({ host, port: 0 }, { certificate: Uint8Array.of(1), verifyPeer }),
    );
    if (near === undefined || far === undefined) throw new Error('two endpoints');
    far.setAcceptedProtocols([ALPN]);
    const incoming = new Promise<Connection>((resolve) => far.onConnection(resolve));
    const dialling = near.connect(far.localAddress, { alpn: ALPN, verifyPeer });
    await this.pass(100);
    const [dialled, accepted] = await Promise.all([dialling, incoming]);
    accepted.onStream((stream) => {
      if (stream.kind === 'bidi')
        this.server.serve(stream).catch((error: unknown) => this.violations.push(error));
    });
    return { dialled, accepted };
  }

  client(run: RunOnConnection | Connection, options: RpcClientOptions = {}): RpcClient {
    return new RpcClient(
      { run: typeof run === 'function' ? run : onConnection(run), clock: this.clock },
      options,
    );
  }

  pass(ms: number): Promise<void> {
    return this.network.clock.advance(ms);
  }
}

export const echo: RpcHandler = ({ payload }) => payload;

/** A handler whose calls end when the test says, and which notes when its signal comes. */
export class HeldCalls {
  readonly calls: { readonly done: Waiter<Uint8Array>; readonly signal: AbortSignal; abortedAs?: string }[] =
    [];
  readonly handler: RpcHandler = (_, { signal }) => {
    const call: HeldCalls['calls'][number] = { done: new Waiter<Uint8Array>(), signal };
    signal.addEventListener('abort', () => {
      call.abortedAs = (signal.reason as RpcError).code;
    });
    this.calls.push(call);
    return call.done.promise;
  };
}

/** A promise whose outcome can be looked at without waiting for it. Bytes are looked at as a Buffer, whatever they came as. */
export function watch<T>(promise: Promise<T>): { outcome: 'pending' | { value: T } | { error: unknown } } {
  const watched: { outcome: 'pending' | { value: T } | { error: unknown } } = { outcome: 'pending' };
  promise.then(
    (value) => {
      watched.outcome = { value: (value instanceof Uint8Array ? Buffer.from(value) : value) as T };
    },
    (error: unknown) => {
      watched.outcome = { error };
    },
  );
  return watched;
}
