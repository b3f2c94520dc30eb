import type { Connection } from '@landropic/quic';
import { createMemoryNetwork } from '@landropic/quic/memory';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { ReadChunk } from '../core/ports/folder-disk.js';
import { asPath } from '../core/testing/entries.js';
import { ChunkClient } from './chunk-client.js';
import { ChunkServer, type ChunkSource } from './chunk-server.js';

export const folder = 'f' as FolderId;

/** The hash of a chunk is its number here; where it stands in which file, and whether it still does. */
export interface StoredChunk {
  readonly bytes: Uint8Array;
  /** One for each file that has it: whether it can still be read there. */
  readonly readable: readonly boolean[];
}

export const hashAt = (n: number) => n.toString(16).padStart(64, '0') as ContentHash;

/** Chunks on a disk that reads as slowly as the test says. */
export class FakeSource implements ChunkSource {
  reads = 0;
  /** Awaited before every read. */
  pause: () => Promise<void> = async () => {};
  readonly disk = {
    readChunks: (reads: readonly ReadChunk[], into?: SharedArrayBuffer) => this.read(reads, into),
  };

  constructor(private readonly chunks: ReadonlyMap<ContentHash, StoredChunk>) {}

  locate(hash: ContentHash, limit: number) {
    const chunk = this.chunks.get(hash);
    const files = chunk?.readable.slice(0, limit) ?? [];
    const lengthBytes = chunk?.bytes.length ?? 0;
    return files.map((_, i) => ({ path: asPath(`file-${i}`), offsetBytes: 0, lengthBytes }));
  }

  private async read(
    reads: readonly ReadChunk[],
    into: SharedArrayBuffer | undefined,
  ): Promise<(Uint8Array | undefined)[]> {
    this.reads += reads.length;
    await this.pause();
    let at = 0;
    return reads.map(({ path, chunk }) => {
      const stored = this.chunks.get(chunk.hash);
      if (!stored?.readable[Number(path.slice('file-'.length))]) return undefined;
      if (into === undefined || at + stored.bytes.length > into.byteLength) return stored.bytes.slice();
      const bytes = new Uint8Array(into, at, stored.bytes.length);
      at += bytes.length;
      bytes.set(stored.bytes);
      return bytes;
    });
  }
}

/** A client and a server at the two ends of a connection in memory. */
export class ChunkExchange {
  readonly network = createMemoryNetwork({ seed: 1 });
  readonly clock: Clock;
  readonly failures: unknown[] = [];
  readonly serverFailures: unknown[] = [];
  private readonly pending: Promise<void>;
  private ends:
    | { readonly ours: Connection; readonly theirs: Connection; readonly client: ChunkClient }
    | undefined;

  constructor(
    readonly sourceFor: (id: FolderId) => ChunkSource | undefined,
    private readonly options: { readonly serves?: boolean } = {},
  ) {
    const { clock } = this.network;
    this.clock = {
      nowMs: () => clock.now(),
      monotonicMs: () => clock.now(),
      after: (delayMs, callback) => clock.schedule(delayMs, callback),
    };
    this.pending = this.connect();
  }

  get ours(): Connection {
    return this.both.ours;
  }

  get theirs(): Connection {
    return this.both.theirs;
  }

  get client(): ChunkClient {
    return this.both.client;
  }

  async ready(): Promise<this> {
    await this.pass(10);
    await this.pending;
    return this;
  }

  pass(durationMs: number): Promise<void> {
    return this.network.clock.advance(durationMs);
  }

  private get both() {
    if (this.ends === undefined) throw new Error('not connected yet');
    return this.ends;
  }

  private async connect(): Promise<void> {
    const verifyPeer = () => ({ accepted: true, identity: { key: 'peer' } }) as const;
    const endpointAt = (host: string) =>
      this.network.endpoint({ host, port: 1 }, { certificate: Buffer.from(host), verifyPeer });
    const [a, b] = [endpointAt('a'), endpointAt('b')];
    b.setAcceptedProtocols(['x']);
    const accepted = new Promise<Connection>((resolve) => b.onConnection(resolve));
    const ours = await a.connect(b.localAddress, { alpn: 'x', verifyPeer });
    const theirs = await accepted;
    const server = new ChunkServer({ clock: this.clock, sourceFor: this.sourceFor });
    theirs.onStream((stream) => {
      if (stream.kind !== 'bidi' || this.options.serves === false) return;
      const serve = async () => {
        const first = (await stream.read()) ?? new Uint8Array(1);
        await server.serve(stream, first.subarray(1));
      };
      serve().catch((error: unknown) => this.serverFailures.push(error));
    });
    const onFailure = (error: unknown) => this.failures.push(error);
    this.ends = { ours, theirs, client: new ChunkClient({ connection: ours, clock: this.clock, onFailure }) };
  }
}

/** A reply that keeps what came, in words, and then gives the memory back. */
export class KeptReply {
  readonly answers: string[] = [];

  chunk(index: number, bytes: Uint8Array, release: () => void): void {
    this.answers.push(`${index} ${inWords(bytes)}`);
    release();
    // Whoever looks at memory that was given back shall see it.
    if (bytes.buffer instanceof SharedArrayBuffer) bytes.fill(0xee);
  }

  missing(index: number): void {
    this.answers.push(`${index} missing`);
  }
}

/** Short chunks as they are, long ones of one letter as that and how often. */
export function inWords(bytes: Uint8Array): string {
  if (bytes.length <= 16) return Buffer.from(bytes).toString('latin1');
  return bytes.every((byte) => byte === bytes[0]) ? `${bytes[0]} x ${bytes.length}` : 'a mix';
}
