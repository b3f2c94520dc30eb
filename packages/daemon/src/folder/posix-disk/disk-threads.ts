import { Worker } from 'node:worker_threads';
import type { DiskResult } from '../../core/ports/folder-disk.js';
import { carryOutCall, type DiskCall, type ReplyTo } from './disk-calls.js';
import { RunningHashes } from './running-hashes.js';

/** Long calls have a thread to themselves as far as there are several, so that short ones never wait for seconds. */
export type Lane = 'short' | 'long';

export interface DiskRequest {
  readonly id: number;
  readonly rootPath: string;
  readonly call: DiskCall;
}

export interface DiskReply {
  readonly id: number;
  readonly result: DiskResult<unknown>;
}

export interface DiskThreadsOptions {
  /** 0 carries everything out on the calling thread: for tests. Default 2. */
  readonly threads?: number;
  /** The compiled `disk-worker.js`. Default: beside this module. */
  readonly workerUrl?: URL;
  /** Of each thread. Default 96. */
  readonly maxHeapMebibytes?: number;
}

interface Waiting {
  resolve(result: DiskResult<unknown>): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

/** Threads that carry out disk calls of any number of folders. A thread that dies is replaced. */
export class DiskThreads {
  readonly #options: DiskThreadsOptions;
  readonly #count: number;
  readonly #threads: (Thread | undefined)[] = [];
  /** Of the calling thread, where it does all itself. */
  readonly #hashes = new RunningHashes();
  #nextId = 1;
  #nextHashing = 1;
  #isClosed = false;

  constructor(options: DiskThreadsOptions = {}) {
    this.#options = options;
    this.#count = options.threads ?? 2;
  }

  /**
   * `transfer`: buffers in the call that are handed over. Rejects with `code` `ERR_DISK_THREAD` when the thread died,
   * and then nothing is known about what was done.
   */
  call<Call extends DiskCall>(
    lane: Lane,
    rootPath: string,
    call: Call,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<DiskResult<ReplyTo<Call>>> {
    if (this.#isClosed) return Promise.reject(new DiskThreadError('the disk was closed'));
    if (this.#count === 0) {
      return new Promise((resolve, reject) => {
        setImmediate(() => {
          carryOutCall(rootPath, call, this.#hashes).then(
            (result) => resolve(result as DiskResult<ReplyTo<Call>>),
            reject,
          );
        });
      });
    }
    const thread = this.#choose(lane);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      thread.waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      thread.worker.ref();
      const request: DiskRequest = { id, rootPath, call };
      thread.worker.postMessage(request, transfer);
    });
  }

  /** A number for a hash that goes on over several calls of the long lane. */
  nextHashing(): number {
    return this.#nextHashing++;
  }

  /** Ends the threads; calls that were not answered are rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const threads = this.#threads.splice(0);
    await Promise.all(threads.map((thread) => thread?.worker.terminate()));
    for (const thread of threads)
      if (thread !== undefined) rejectAll(thread, new DiskThreadError('the disk was closed'));
  }

  /** The last thread takes the long calls, and short ones when it has nothing else to do. */
  #choose(lane: Lane): Thread {
    const last = this.#count - 1;
    if (lane === 'long') return this.#thread(last);
    let best = this.#thread(0);
    for (let i = 1; i < this.#count && best.waiting.size > 0; i++) {
      const thread = this.#thread(i);
      if (i === last ? thread.waiting.size === 0 : thread.waiting.size < best.waiting.size) best = thread;
    }
    return best;
  }

  #thread(index: number): Thread {
    const running = this.#threads[index];
    if (running !== undefined) return running;
    const worker = new Worker(this.#options.workerUrl ?? new URL('./disk-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: this.#options.maxHeapMebibytes ?? 96 },
    });
    const thread: Thread = { worker, waiting: new Map() };
    worker.unref();
    worker.on('message', (reply: DiskReply) => {
      const waiting = thread.waiting.get(reply.id);
      thread.waiting.delete(reply.id);
      // A thread that waits for work keeps no process alive.
      if (thread.waiting.size === 0) worker.unref();
      waiting?.resolve(reply.result);
    });
    const replace = (cause: unknown) => {
      if (this.#threads[index] === thread) this.#threads[index] = undefined;
      rejectAll(thread, new DiskThreadError('a disk thread ended', { cause }));
    };
    worker.on('error', replace);
    worker.on('exit', replace);
    this.#threads[index] = thread;
    return thread;
  }
}

export class DiskThreadError extends Error {
  readonly code = 'ERR_DISK_THREAD';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DiskThreadError';
  }
}

function rejectAll(thread: Thread, error: Error): void {
  const waiting = [...thread.waiting.values()];
  thread.waiting.clear();
  for (const { reject } of waiting) reject(error);
}
