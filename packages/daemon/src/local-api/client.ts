import { connect, type Socket } from 'node:net';
import { encodeJsonLine, JsonLineDecoder } from './json-lines.js';
import {
  ApiError,
  ApiErrorCode,
  type Event,
  MAX_LINE_BYTES,
  type MethodName,
  methods,
  type Params,
  ResponseLine,
  type Result,
} from './schema.js';

export type DaemonCallErrorCode =
  /** Nobody listens on the socket. */
  | 'not-running'
  /** The daemon went away before it answered. */
  | 'connection-lost'
  /** The socket is there and may not be used. */
  | 'not-permitted'
  /** No answer within `timeoutMs`. */
  | 'timeout'
  /** The answer does not fit the schema: a daemon of another version. */
  | 'unexpected-answer'
  | 'aborted';

/** A call that the daemon did not answer. What the daemon itself answers with is an {@link ApiError}. */
export class DaemonCallError extends Error {
  override readonly name = 'DaemonCallError';
  constructor(
    readonly code: DaemonCallErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

export interface CallOptions<M extends MethodName> {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event<M>) => void;
  /** For the whole call, in ms. Default 30,000. */
  readonly timeoutMs?: number;
}

const REQUEST_ID = 1;

/** Calls one method of the daemon behind this socket. Throws {@link ApiError} and {@link DaemonCallError}. */
export function callDaemon<M extends MethodName>(
  socketPath: string,
  method: M,
  params: Params<M>,
  options: CallOptions<M> = {},
): Promise<Result<M>> {
  const { signal, timeoutMs = 30_000 } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new DaemonCallError('aborted', 'The call was given up.'));
    const socket = connect(socketPath);
    const decoder = new JsonLineDecoder({ maxLineBytes: MAX_LINE_BYTES });
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const onAbort = (): void => fail(new DaemonCallError('aborted', 'The call was given up.'));
    const timer = setTimeout(
      () => fail(new DaemonCallError('timeout', `The daemon did not answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    onLines(socket, decoder, fail, (line) => {
      try {
        readAnswer(method, line, options.onEvent, (result) => settle(() => resolve(result)));
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.on('error', (error) => fail(connectionError(error, socketPath)));
    socket.on('close', () =>
      fail(new DaemonCallError('connection-lost', 'The daemon went away before it answered.')),
    );
    socket.write(encodeJsonLine({ id: REQUEST_ID, method, params }));
  });
}

function onLines(
  socket: Socket,
  decoder: JsonLineDecoder,
  fail: (error: Error) => void,
  handle: (line: unknown) => void,
): void {
  socket.on('data', (bytes: Uint8Array) => {
    try {
      for (const line of decoder.push(bytes)) handle(line);
    } catch (cause) {
      fail(new DaemonCallError('unexpected-answer', 'The daemon answered something unreadable.', { cause }));
    }
  });
}

function readAnswer<M extends MethodName>(
  method: M,
  line: unknown,
  onEvent: ((event: Event<M>) => void) | undefined,
  onResult: (result: Result<M>) => void,
): void {
  const response = ResponseLine.safeParse(line);
  if (!response.success) throw unexpected(method, response.error);
  if ('event' in response.data) {
    const event = methods[method].event.safeParse(response.data.event);
    if (!event.success) throw unexpected(method, event.error);
    onEvent?.(event.data as Event<M>);
  } else if ('error' in response.data) {
    const { code, message, hint } = response.data.error;
    throw new ApiError(ApiErrorCode.catch('internal').parse(code), message, { hint });
  } else {
    const result = methods[method].result.safeParse(response.data.result);
    if (!result.success) throw unexpected(method, result.error);
    onResult(result.data as Result<M>);
  }
}

function unexpected(method: MethodName, cause: unknown): DaemonCallError {
  return new DaemonCallError(
    'unexpected-answer',
    `The daemon's answer to '${method}' does not fit this version of landropic.`,
    { cause },
  );
}

function connectionError(error: NodeJS.ErrnoException, socketPath: string): DaemonCallError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new DaemonCallError('not-running', 'The daemon is not running.', { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new DaemonCallError('not-permitted', `${socketPath} belongs to somebody else.`, {
        cause: error,
      });
    default:
      return new DaemonCallError('connection-lost', 'The connection to the daemon failed.', { cause: error });
  }
}
