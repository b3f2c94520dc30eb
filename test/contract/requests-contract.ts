import { describe, expect, it } from 'vitest';
import {
  type Connection,
  onConnection,
  RpcClient,
  type RpcClientOptions,
  type RpcHandler,
  RpcServer,
  systemClock,
} from '../../packages/quic/src/index.js';
import { asBidi, type ContractStage } from './transport-contract-stage.js';

/** Request and response over streams of a connection. */
export function describeRequests(stage: ContractStage): void {
  async function serve(handlers: Readonly<Record<string, RpcHandler>>, options: RpcClientOptions = {}) {
    const { dialled, accepted } = await stage.connect();
    const server = new RpcServer({ handlers, clock: systemClock });
    const violations: unknown[] = [];
    accepted.onStream((stream) => {
      server.serve(asBidi(stream)).catch((error: unknown) => violations.push(error));
    });
    const client = new RpcClient({ run: onConnection(dialled), clock: systemClock }, options);
    return { client, server, dialled, accepted, violations };
  }

  const aborted = (...connections: readonly Connection[]): readonly number[] =>
    connections.map((connection) => connection.stats().streamsAborted);

  /** Never answers by itself; `begun` when it was called, `ended` when its signal came. */
  function createStuckHandler() {
    let begin = (): void => {};
    let end = (_: unknown): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const ended = new Promise<unknown>((resolve) => {
      end = resolve;
    });
    const handler: RpcHandler = (_, { signal }) => {
      begin();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          end(signal.reason);
          reject(signal.reason);
        });
      });
    };
    return { handler, begun, ended };
  }

  describe('requests', () => {
    it('are answered, hundreds at once, and end their streams in order', async () => {
      const sum: RpcHandler = ({ payload }) => Buffer.from(String(payload.reduce((a, b) => a + b, 0)));
      const { client, server, dialled, accepted } = await serve({ sum });
      const answers = await Promise.all(
        Array.from({ length: 256 }, (_, i) => client.request('sum', new Uint8Array(i).fill(3))),
      );
      expect(answers.map((bytes) => Number(Buffer.from(bytes)))).toEqual(
        Array.from({ length: 256 }, (_, i) => 3 * i),
      );
      expect(server.stats().streams).toBeLessThanOrEqual(16);
      await client.close();
      expect(dialled.stats().streamsOpen).toBe(0);
      expect(aborted(dialled, accepted)).toEqual([0, 0]);
    });

    it('carry as much as they may, both ways', async () => {
      const { client } = await serve({ back: ({ payload }) => payload });
      const payload = Buffer.alloc(1024 * 1024, 'landropic');
      const answers = await Promise.all(Array.from({ length: 8 }, () => client.request('back', payload)));
      for (const answer of answers) expect(Buffer.compare(answer, payload)).toBe(0);
    });

    it('are cancelled by a frame, and their stream serves the next', async () => {
      const stuck = createStuckHandler();
      const handlers = { stuck: stuck.handler, hello: () => Buffer.from('hello') };
      const { client, dialled, accepted } = await serve(handlers, { streams: { maxStreams: 1 } });
      const abort = new AbortController();
      const outcome = expect(
        client.request('stuck', Buffer.alloc(0), { signal: abort.signal }),
      ).rejects.toMatchObject({
        code: 'cancelled',
      });
      await stuck.begun;
      abort.abort();
      await outcome;
      expect(await stuck.ended).toMatchObject({ code: 'cancelled' });
      expect(Buffer.from(await client.request('hello', Buffer.alloc(0))).toString()).toBe('hello');
      expect(aborted(dialled, accepted)).toEqual([0, 0]);
    });

    it('end with their deadline on both sides', async () => {
      const stuck = createStuckHandler();
      const { client } = await serve({ stuck: stuck.handler });
      await expect(client.request('stuck', Buffer.alloc(0), { deadlineMs: 30 })).rejects.toMatchObject({
        code: 'deadline-exceeded',
      });
      expect(['deadline-exceeded', 'cancelled']).toContain(((await stuck.ended) as { code: string }).code);
    });

    it('fail with their connection, here and there', async () => {
      const stuck = createStuckHandler();
      const { client, dialled, violations } = await serve({ stuck: stuck.handler });
      const outcome = expect(client.request('stuck', Buffer.alloc(0))).rejects.toMatchObject({
        code: 'unavailable',
        mayHaveBegun: true,
      });
      await stuck.begun;
      await dialled.close(0, 'gone');
      await outcome;
      expect(await stuck.ended).toMatchObject({ code: 'cancelled' });
      await expect(client.request('stuck', Buffer.alloc(0))).rejects.toMatchObject({ mayHaveBegun: false });
      expect(violations).toEqual([]);
    });

    it('finish while the server stops, and no new one begins', async () => {
      let finish = (): void => {};
      const slow: RpcHandler = () =>
        new Promise((resolve) => {
          finish = () => resolve(Buffer.from('done'));
          begun();
        });
      let begun = (): void => {};
      const hasBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const { client, server, dialled, accepted } = await serve({ slow });
      const running = client.request('slow', Buffer.alloc(0));
      await hasBegun;
      const stopped = server.stop({ withinMs: 10_000 });
      await expect(client.request('slow', Buffer.alloc(0))).rejects.toMatchObject({
        code: 'shutting-down',
        mayHaveBegun: false,
      });
      finish();
      expect(Buffer.from(await running).toString()).toBe('done');
      expect(await stopped).toEqual({ interrupted: 0 });
      await client.close();
      expect(dialled.stats().streamsOpen).toBe(0);
      expect(aborted(dialled, accepted)).toEqual([0, 0]);
    });
  });
}
