import { createServer, type Server, type Socket } from 'node:net';
import { encodeJsonLine, JsonLineDecoder, JsonLineError } from './json-lines.js';
import { listenPrivately } from './listen.js';
import {
  ApiError,
  type ApiErrorCode,
  type Event,
  MAX_LINE_BYTES,
  type MethodName,
  methods,
  type Params,
  RequestLine,
  type Result,
} from './schema.js';

export interface CallContext<M extends MethodName> {
  /** Aborted when the client went away or the API stops. */
  readonly signal: AbortSignal;
  /** Sends a line before the result. Does nothing once the client is gone. */
  emit(event: Event<M>): void;
}

export type Handlers = {
  readonly [M in MethodName]: (params: Params<M>, context: CallContext<M>) => Promise<Result<M>>;
};

/** What the server writes to its log; a pino logger fits. */
export interface LocalApiLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LocalApiDependencies {
  readonly socketPath: string;
  readonly handlers: Handlers;
  readonly log: LocalApiLog;
}

export interface LocalApiOptions {
  /** Longest request line, in bytes. Default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** Clients at once. Default 128. */
  readonly maxClients?: number;
  /** Requests of one client at once. Default 64. */
  readonly maxRequestsPerClient?: number;
  /** How long {@link LocalApi.stop} waits for answers on their way, in ms. Default 2,000. */
  readonly stopTimeoutMs?: number;
}

export interface LocalApi {
  /** Takes no more requests, ends the running ones, flushes their answers, and removes the socket. Idempotent. */
  stop(): Promise<void>;
}

/** Opens the local API. Throws {@link import('./listen.js').LocalApiListenError}. */
export async function startLocalApi(
  dependencies: LocalApiDependencies,
  options: LocalApiOptions = {},
): Promise<LocalApi> {
  const clients = new Set<Client>();
  const server = createServer((socket) => {
    const client = new Client(socket, dependencies, options);
    clients.add(client);
    socket.once('close', () => clients.delete(client));
  });
  server.maxConnections = options.maxClients ?? 128;
  await listenPrivately(server, dependencies.socketPath);
  server.on('error', (error) => dependencies.log.error({ err: error }, 'local API socket failed'));
  let stopped: Promise<void> | undefined;
  return {
    stop() {
      stopped ??= stopServer(server, clients, options.stopTimeoutMs ?? 2_000);
      return stopped;
    },
  };
}

async function stopServer(server: Server, clients: ReadonlySet<Client>, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const timer = setTimeout(() => {
    for (const client of clients) client.destroy();
  }, timeoutMs);
  await Promise.all([...clients].map((client) => client.finish()));
  await closed;
  clearTimeout(timer);
}

/** One connection to the socket. */
class Client {
  readonly #socket: Socket;
  readonly #dependencies: LocalApiDependencies;
  readonly #decoder: JsonLineDecoder;
  readonly #maxRequests: number;
  readonly #gone = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #closed: Promise<void>;

  constructor(socket: Socket, dependencies: LocalApiDependencies, options: LocalApiOptions) {
    this.#socket = socket;
    this.#dependencies = dependencies;
    this.#maxRequests = options.maxRequestsPerClient ?? 64;
    this.#decoder = new JsonLineDecoder({ maxLineBytes: options.maxRequestBytes ?? 1024 * 1024 });
    socket.on('data', (bytes: Uint8Array) => this.#read(bytes));
    socket.on('error', () => this.destroy());
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#gone.abort();
        resolve();
      });
    });
  }

  /** Ends running requests, lets their answers go out, and closes. {@link destroy} cuts it short. */
  async finish(): Promise<void> {
    this.#socket.pause();
    this.#gone.abort();
    await Promise.race([Promise.allSettled(this.#running), this.#closed]);
    this.#socket.end(() => this.#socket.destroy());
    await this.#closed;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: Uint8Array): void {
    try {
      for (const line of this.#decoder.push(bytes)) this.#accept(line);
    } catch (error) {
      const message = error instanceof JsonLineError ? error.message : 'The request cannot be read.';
      // The stream has lost its place: the client is told why, and nothing more is read from it.
      this.#socket.pause();
      this.#fail(0, 'usage', message);
      this.#socket.end(() => this.#socket.destroy());
    }
  }

  #accept(line: unknown): void {
    const request = RequestLine.safeParse(line);
    if (!request.success) {
      this.#fail(0, 'usage', `The request is malformed: ${explain(request.error)}`);
    } else if (!isMethod(request.data.method)) {
      this.#fail(request.data.id, 'usage', `There is no method '${request.data.method}'.`);
    } else if (this.#running.size >= this.#maxRequests) {
      this.#fail(request.data.id, 'usage', 'Too many requests at once.');
    } else {
      const { id, method, params } = request.data;
      const run = this.#run(id, method, params).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  async #run<M extends MethodName>(id: number, method: M, given: unknown): Promise<void> {
    const params = methods[method].params.safeParse(given ?? {});
    if (!params.success) {
      this.#fail(id, 'usage', `${method}: ${explain(params.error)}`);
      return;
    }
    const context: CallContext<M> = {
      signal: this.#gone.signal,
      emit: (event) => this.#send({ id, event }),
    };
    // The table ties each method's schema to its handler; TypeScript cannot follow that through a union of methods.
    const handle = this.#dependencies.handlers[method] as (
      params: unknown,
      context: CallContext<M>,
    ) => Promise<Result<M>>;
    try {
      this.#send({ id, result: await handle(params.data, context) });
    } catch (error) {
      if (error instanceof ApiError) {
        this.#fail(id, error.code, error.message, error.hint);
        return;
      }
      this.#dependencies.log.error({ err: error, method }, 'a local API method failed');
      const text = error instanceof Error ? error.message : String(error);
      this.#fail(id, 'internal', text);
    }
  }

  #fail(id: number, code: ApiErrorCode, message: string, hint?: string): void {
    // JSON leaves an undefined hint out.
    this.#send({ id, error: { code, message, hint } });
  }

  #send(line: { readonly id: number; readonly [key: string]: unknown }): void {
    if (!this.#socket.writable) return;
    const text = encodeJsonLine(line);
    if (Buffer.byteLength(text) > MAX_LINE_BYTES) {
      this.#fail(line.id, 'internal', 'The answer is too long for the local API.');
      return;
    }
    this.#socket.write(text);
    // Whoever asks and does not read must not fill the daemon's memory.
    if (this.#socket.writableLength > 2 * MAX_LINE_BYTES) {
      this.#dependencies.log.warn({}, 'a local API client does not read its answers; disconnected');
      this.destroy();
    }
  }
}

function isMethod(method: string): method is MethodName {
  return Object.hasOwn(methods, method);
}

function explain(error: {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'it does not fit its schema.';
  return issue.path.length === 0 ? issue.message : `${issue.path.map(String).join('.')}: ${issue.message}`;
}
