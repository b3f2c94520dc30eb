/**
 * What the CLI and the daemon say to each other over the local socket: one JSON object a line. The one table of methods;
 * both sides parse with these schemas. Prose, exit codes and rendering belong to the CLI.
 */
import { z } from 'zod';

export const RequestLine = z.object({ id: z.number().int(), method: z.string(), params: z.unknown() });
/** `event` lines may come before the one line with `result` or `error` that ends the request. */
export const ResponseLine = z.union([
  z.object({ id: z.number().int(), event: z.unknown() }),
  z.object({ id: z.number().int(), result: z.unknown() }),
  z.object({
    id: z.number().int(),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  }),
]);
export type RequestLine = z.infer<typeof RequestLine>;
export type ResponseLine = z.infer<typeof ResponseLine>;

export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * Errors a method can end with. The CLI maps them to exit codes: usage 2 · unreachable 3 · not-paired, not-allowed 4 ·
 * file-system 5 · timeout 6 · everything else 1.
 */
export const ApiErrorCode = z.enum([
  'usage',
  'not-found',
  'conflict',
  'unreachable',
  'not-paired',
  'not-allowed',
  'file-system',
  'timeout',
  'cannot-come-true',
  'internal',
]);
export type ApiErrorCode = z.infer<typeof ApiErrorCode>;

const Problem = z.object({ path: z.string(), code: z.string(), text: z.string() });
const Address = z.string();

const FolderStatus = z.object({
  id: z.string(),
  label: z.string(),
  path: z.string(),
  mode: z.enum(['two-way', 'send-only', 'receive-only']),
  state: z.enum(['idle', 'scanning', 'syncing', 'paused', 'held', 'error']),
  files: z.number(),
  directories: z.number(),
  bytes: z.number(),
  needFiles: z.number(),
  needBytes: z.number(),
  conflicts: z.number(),
  problems: z.array(Problem).readonly(),
  /** Deletions that wait for `folders.approve` or `folders.refuse`; there while the state is `held`. */
  held: z
    .object({
      files: z.number(),
      /** The first of them. */
      paths: z.array(z.string()).readonly(),
      /** Who deleted them. */
      devices: z.array(z.string()).readonly(),
    })
    .optional(),
  peers: z
    .array(
      z.object({
        device: z.string(),
        needFiles: z.number(),
        durableSequence: z.number(),
        inSync: z.boolean(),
      }),
    )
    .readonly(),
});

const PooledConnection = z.object({
  /** `primary` carries everything, `data` file contents alone. */
  role: z.enum(['primary', 'data']),
  state: z.enum(['dialling', 'ready', 'suspect', 'draining', 'closed']),
  dialledHere: z.boolean(),
  /** Being dialled to take the place of another. */
  isReplacement: z.boolean(),
  /** In flight, asked for by this device. */
  requests: z.number(),
  /** Health checks in a row without an answer in time. */
  misses: z.number(),
  roundTripMs: z.number().nullable(),
  /** 0 to 1, between the last two health checks. */
  lossShare: z.number(),
  /** 0 to 1: how much of what its keys may protect is used up. */
  keyUse: z.number(),
});

/** The connections with one device since its session is up. */
const ConnectionPool = z.object({
  connections: z.array(PooledConnection).readonly(),
  /** What keeps this device from sending more: the windows of the connections, its own processor, or loss. */
  limit: z.enum(['none', 'window', 'loop', 'path']),
  counts: z.object({
    dialled: z.number(),
    dialsFailed: z.number(),
    replaced: z.number(),
    closedIdle: z.number(),
    withdrawn: z.number(),
    lost: z.number(),
    handedBack: z.number(),
  }),
});

const DeviceStatus = z.object({
  id: z.string(),
  name: z.string(),
  connected: z.boolean(),
  /** `away`: connected, and nothing was changed there for a while. */
  presence: z.enum(['online', 'away', 'offline']),
  addresses: z.array(Address).readonly(),
  connections: z.number(),
  /** Null while no session is up. */
  pool: ConnectionPool.nullable(),
  rttMs: z.number().nullable(),
  bytesIn: z.number(),
  bytesOut: z.number(),
  lastSeen: z.string().nullable(),
  /** What is wrong with this device, for a person: refuses us, sent garbage, … */
  problem: z.string().nullable(),
});

const Transfer = z.object({
  folder: z.string(),
  path: z.string(),
  bytes: z.number(),
  bytesDone: z.number(),
  from: z.string(),
});

const Status = z.object({
  device: z.object({ id: z.string(), name: z.string() }),
  version: z.string(),
  uptimeSeconds: z.number(),
  pid: z.number(),
  listen: Address,
  /** What carries the packets, such as `dgram`. */
  datagramIo: z.string(),
  folders: z.array(FolderStatus).readonly(),
  devices: z.array(DeviceStatus).readonly(),
  transfers: z.array(Transfer).readonly(),
  /** About the daemon itself: an index rebuilt, wrong pairing proofs, discovery not working. */
  notices: z.array(z.string()).readonly(),
});

const FolderSummary = z.object({
  id: z.string(),
  label: z.string(),
  path: z.string(),
  mode: z.enum(['two-way', 'send-only', 'receive-only']),
  sharedWith: z.array(z.object({ device: z.string(), name: z.string(), accepted: z.boolean() })).readonly(),
});
const Offer = z.object({ id: z.string(), label: z.string(), device: z.string(), deviceName: z.string() });
const Conflict = z.object({
  folder: z.string(),
  path: z.string(),
  /** The file that won. */
  original: z.string(),
  device: z.string(),
  sizeBytes: z.number(),
  modifiedAt: z.string(),
});
/** One of the versions that a conflict is about. */
const ConflictVersion = z.object({
  path: z.string(),
  /** Who wrote it. */
  device: z.string(),
  deviceName: z.string(),
  modifiedAt: z.string(),
  sizeBytes: z.number(),
  type: z.enum(['file', 'directory', 'symlink', 'deleted']),
});
/** What was replaced or deleted, and lies in history. */
const HistoryVersion = z.object({
  folder: z.string(),
  path: z.string(),
  /** When it was replaced or deleted here. */
  displacedAt: z.string(),
  sizeBytes: z.number(),
  reason: z.enum(['replaced', 'deleted']),
  /** Who replaced or deleted it; null where that is not known. */
  device: z.string().nullable(),
  deviceName: z.string().nullable(),
});
const Setting = z.object({
  key: z.string(),
  value: z.string(),
  default: z.string(),
  description: z.string(),
});
const PairedWith = z.object({ id: z.string(), name: z.string() });
const Nothing = z.object({});

/** Method → shapes of its parameters, of its result, and of the events before it. */
export const methods = {
  status: { params: Nothing, result: Status, event: z.never() },
  'daemon.stop': { params: Nothing, result: Nothing, event: z.never() },
  'pair.invite': {
    params: z.object({ ttlMs: z.number().int().positive().optional() }),
    result: z.object({
      ticket: z.string(),
      ticketId: z.string(),
      expiresAt: z.string(),
      addresses: z.array(Address).readonly(),
    }),
    event: z.never(),
  },
  /** Follows an invitation until somebody redeems it or it expires (error `timeout`). */
  'pair.follow': {
    params: z.object({ ticketId: z.string() }),
    result: PairedWith,
    event: z.object({ wrongProofFrom: z.string() }),
  },
  'pair.accept': { params: z.object({ ticket: z.string() }), result: PairedWith, event: z.never() },
  'devices.list': {
    params: Nothing,
    result: z.object({ devices: z.array(DeviceStatus).readonly() }),
    event: z.never(),
  },
  'devices.remove': { params: z.object({ device: z.string() }), result: PairedWith, event: z.never() },
  'folders.add': {
    params: z.object({
      path: z.string(),
      id: z.string().optional(),
      label: z.string().optional(),
      share: z.array(z.string()).readonly(),
      mode: z.enum(['two-way', 'send-only', 'receive-only']).optional(),
    }),
    result: FolderSummary,
    event: z.never(),
  },
  'folders.accept': {
    params: z.object({ id: z.string(), path: z.string(), yes: z.boolean() }),
    result: FolderSummary,
    event: z.never(),
  },
  /** What accepting would do, before anything is done. */
  'folders.preview': {
    params: z.object({ id: z.string(), path: z.string() }),
    result: z.object({
      id: z.string(),
      label: z.string(),
      path: z.string(),
      /** The device that was compared with. */
      device: z.string(),
      deviceName: z.string(),
      /** In files and symlinks; null where the directory holds nothing yet. */
      files: z
        .object({
          equal: z.number(),
          onlyHere: z.number(),
          onlyThere: z.number(),
          /** Of these both versions will be kept. */
          different: z.number(),
          /** The first of them. */
          differentPaths: z.array(z.string()).readonly(),
        })
        .nullable(),
    }),
    event: z.never(),
  },
  'folders.offers': {
    params: Nothing,
    result: z.object({ offers: z.array(Offer).readonly() }),
    event: z.never(),
  },
  'folders.list': {
    params: Nothing,
    result: z.object({ folders: z.array(FolderSummary).readonly() }),
    event: z.never(),
  },
  'folders.remove': { params: z.object({ id: z.string() }), result: FolderSummary, event: z.never() },
  /** Lets held deletions go. Error `conflict` where nothing is held. */
  'folders.approve': {
    params: z.object({ id: z.string() }),
    result: z.object({ id: z.string(), label: z.string(), files: z.number() }),
    event: z.never(),
  },
  /** Takes held deletions back, or declines an offer. Error `conflict` where there is nothing to refuse. */
  'folders.refuse': {
    params: z.object({ id: z.string() }),
    result: z.object({
      kind: z.enum(['deletions', 'offer']),
      id: z.string(),
      label: z.string(),
      /** Of `deletions`: how many are kept. */
      files: z.number(),
    }),
    event: z.never(),
  },
  /** Exchanges nothing of the folder, also after a restart, until `folders.resume`. */
  'folders.pause': {
    params: z.object({ id: z.string() }),
    result: z.object({ id: z.string(), label: z.string() }),
    event: z.never(),
  },
  'folders.resume': {
    params: z.object({ id: z.string() }),
    result: z.object({ id: z.string(), label: z.string() }),
    event: z.never(),
  },
  /** Returns when the whole folder was looked at. */
  'folders.rescan': {
    params: z.object({ id: z.string() }),
    result: z.object({ changed: z.number() }),
    event: z.never(),
  },
  wait: {
    params: z.object({
      folder: z.string().optional(),
      devices: z.array(z.string()).readonly(),
      connected: z.boolean(),
      timeoutMs: z.number().int().positive(),
    }),
    result: z.object({
      folders: z.array(z.string()).readonly(),
      devices: z.array(z.string()).readonly(),
      waitedMs: z.number(),
    }),
    event: z.object({ needFiles: z.number(), waitingFor: z.array(z.string()).readonly() }),
  },
  'conflicts.list': {
    params: z.object({ folder: z.string().optional() }),
    result: z.object({ conflicts: z.array(Conflict).readonly() }),
    event: z.never(),
  },
  /** All versions of a file that was changed on two devices at once, named by its own path or by a copy's. */
  'conflicts.show': {
    params: z.object({ folder: z.string().optional(), path: z.string() }),
    result: z.object({
      folder: z.string(),
      path: z.string(),
      /** What stands under the file's own name; null when nothing does. */
      original: ConflictVersion.nullable(),
      /** With what differs from the original, as `diff -u` shows it; null unless both are small texts. */
      copies: z.array(ConflictVersion.extend({ diff: z.string().nullable() })).readonly(),
    }),
    event: z.never(),
  },
  /** Keeps the version that is named, the other one, or both. What goes lies in history. */
  'conflicts.resolve': {
    params: z.object({
      folder: z.string().optional(),
      path: z.string(),
      keep: z.enum(['this', 'other', 'both']),
    }),
    result: z.object({
      folder: z.string(),
      path: z.string(),
      /** Copies that are gone, at least from under these names. */
      removed: z.array(z.string()).readonly(),
      /** What they are called now, where they were kept. */
      keptAs: z.array(z.string()).readonly(),
      /** A copy's content stands under the file's own name now. */
      replaced: z.boolean(),
    }),
    event: z.never(),
  },
  /** What was replaced or deleted, newest first: of a path and all below it, of a folder, or of all. */
  'history.list': {
    params: z.object({
      folder: z.string().optional(),
      /** Absolute, or relative to the folder named. */
      path: z.string().optional(),
      limit: z.number().int().min(1).max(10_000),
    }),
    result: z.object({ versions: z.array(HistoryVersion).readonly(), hasMore: z.boolean() }),
    event: z.never(),
  },
  /** Brings back what stood at a path at a time, or last. What stands there now goes to history. */
  'history.restore': {
    params: z.object({
      folder: z.string().optional(),
      path: z.string(),
      at: z.iso.datetime({ offset: true }).optional(),
    }),
    result: z.object({
      version: HistoryVersion,
      /** False where that very content stands there. */
      changed: z.boolean(),
      /** Something stood there, and is in history now. */
      keptInHistory: z.boolean(),
    }),
    event: z.never(),
  },
  'config.get': { params: z.object({ key: z.string() }), result: Setting, event: z.never() },
  /** `applied: false`: stored, and in force after the next start. */
  'config.set': {
    params: z.object({ key: z.string(), value: z.string() }),
    result: Setting.extend({ applied: z.boolean() }),
    event: z.never(),
  },
  'config.list': {
    params: Nothing,
    result: z.object({ settings: z.array(Setting).readonly() }),
    event: z.never(),
  },
  ping: {
    params: z.object({ device: z.string(), count: z.number().int().min(1).max(100) }),
    result: z.object({ device: z.string(), name: z.string(), roundTripsMs: z.array(z.number()).readonly() }),
    event: z.object({ roundTripMs: z.number() }),
  },
} as const;

export type MethodName = keyof typeof methods;
export type Params<M extends MethodName> = z.infer<(typeof methods)[M]['params']>;
export type Result<M extends MethodName> = z.infer<(typeof methods)[M]['result']>;
export type Event<M extends MethodName> = z.infer<(typeof methods)[M]['event']>;

export type StatusReport = z.infer<typeof Status>;
export type FolderStatus = z.infer<typeof FolderStatus>;
export type DeviceStatus = z.infer<typeof DeviceStatus>;
export type FolderSummary = z.infer<typeof FolderSummary>;
export type FolderOffer = z.infer<typeof Offer>;
export type ConflictCopy = z.infer<typeof Conflict>;
export type MergePreview = Result<'folders.preview'>;
export type ConflictVersion = z.infer<typeof ConflictVersion>;
export type HistoryVersion = z.infer<typeof HistoryVersion>;
export type TransferStatus = z.infer<typeof Transfer>;
export type Setting = z.infer<typeof Setting>;

/** An error that a method ends with; carried over the socket as it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** What to do next, where the message does not say it. */
  readonly hint: string | undefined;
  constructor(
    readonly code: ApiErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly hint?: string | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}
