import { afterEach, describe, expect, it } from 'vitest';
import { TransportCloseCode } from '../../close-codes.js';
import type { Connection } from '../../transport.js';
import { dial, EndpointSet, echo, serveEcho } from '../endpoint.fixture.js';
import type { QuicEndpointOptions } from '../options.js';

const UNIDENTIFIED = 3;

describe('streams of a peer', () => {
  const endpoints = new EndpointSet();
  afterEach(() => endpoints.closeAll());

  async function connectTo(options: Partial<QuicEndpointOptions>): Promise<Connection> {
    const acceptor = await endpoints.create(options);
    serveEcho(acceptor);
    const connection = await dial(await endpoints.create(), acceptor.localAddress);
    expect(await echo(connection, 10)).toBe(10);
    return connection;
  }

  it('end the connection when one never says what it is, although nothing more arrives', async () => {
    const identification = { timeoutMs: 200, closeCode: UNIDENTIFIED };
    const connection = await connectTo({ identification });
    // The peer learns of a stream by the request to stop it alone.
    (await connection.openBidi()).stop(1);
    expect(await connection.closed).toMatchObject({ by: 'peer', code: UNIDENTIFIED });
  });

  it('have that time, and are heard when they begin within it', async () => {
    const identification = { timeoutMs: 2_000, closeCode: UNIDENTIFIED };
    const connection = await connectTo({ identification });
    const silent = await connection.openBidi();
    silent.stop(1);
    expect(await echo(connection, 10)).toBe(10);
    await silent.write(Uint8Array.of(1));
    await silent.finish();
    expect(await echo(connection, 10)).toBe(10);
  });

  it('end the connection, not the program, when their judge stumbles', async () => {
    let isStumbling = false;
    const connection = await connectTo({
      authenticateStream: () => {
        if (isStumbling) throw new Error('a bug');
        return { accepted: true };
      },
    });
    isStumbling = true;
    const stream = await connection.openUni();
    await stream.write(Uint8Array.of(1));
    expect(await connection.closed).toMatchObject({
      by: 'transport',
      code: TransportCloseCode.internalError,
    });
  });
});
