import { pino } from 'pino';
import { RotatingFile } from './rotating-file.js';

export interface Log {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log, with these fields on every line. */
  child(fields: object): Log;
}

export type LogLevelName = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LoggerOptions {
  readonly level: LogLevelName;
  /** Written to as JSON, one object a line; made when it is missing. */
  readonly file?: string;
  /** Written to as well, such as `process.stderr` of a daemon in the foreground. */
  readonly stream?: { write(line: string): unknown };
  /** At which size the file becomes `<file>.1`. Default 8 MiB. */
  readonly maxFileBytes?: number;
}

export interface Logger {
  readonly log: Log;
  setLevel(level: LogLevelName): void;
  close(): void;
}

const DEFAULT_MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_CAUSES = 5;

/** Names of fields that must never be written, wherever a caller puts them by mistake. */
const SECRET_FIELDS = ['ticket', 'secret', 'proof', 'answerProof', 'keyPem', 'privateKey', 'nonce'];
const REDACTED_PATHS = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** The daemon's structured log. Errors go into the field `err`. */
export function createLogger(options: LoggerOptions): Logger {
  const file =
    options.file === undefined
      ? undefined
      : new RotatingFile(options.file, { maxBytes: options.maxFileBytes ?? DEFAULT_MAX_FILE_BYTES });
  const destination = {
    write: (line: string): void => {
      file?.write(line);
      options.stream?.write(line);
    },
  };
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_PATHS, censor: '[secret]' },
      serializers: { err: (error: unknown) => describeError(error) },
    },
    destination,
  );
  return {
    log: logger,
    setLevel: (level) => {
      logger.level = level;
    },
    close: () => file?.close(),
  };
}

/** A log that goes nowhere. */
export const silentLog: Log = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** An error and its causes as data: pino's own serializer leaves causes out of what can be searched. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(depth === 0 && error.stack !== undefined ? { stack: error.stack } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  };
}
