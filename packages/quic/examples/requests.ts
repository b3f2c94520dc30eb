/**
 * Request and response: deadlines that reach the server, cancelling, and a server that stops without dropping anything.
 *
 *     node packages/quic/dist/examples/requests.js
 */
import { onConnection, RpcClient, RpcError, RpcFailure, RpcServer, systemClock } from '@landropic/quic';
import { connectTwoEndpoints } from './two-endpoints.js';

const { dialled, accepted, close } = await connectTwoEndpoints();

const server = new RpcServer({
  clock: systemClock,
  handlers: {
    reverse: ({ payload }) => Uint8Array.from(payload).reverse(),
    divide: ({ payload: [dividend = 0, divisor = 0] }) => {
      if (divisor === 0) throw new RpcFailure(1, 'cannot divide by zero');
      return Uint8Array.of(dividend / divisor);
    },
    // Ends when its caller no longer waits: whatever a handler does should follow its signal.
    ponder: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          console.log('server: stopped pondering');
          reject(signal.reason);
        });
      }),
  },
});
accepted.onStream((stream) => {
  // Rejects when the client breaks the protocol; that stream is over then, and others are not.
  if (stream.kind === 'bidi') server.serve(stream).catch((error: Error) => console.log(error.message));
});

const client = new RpcClient({ run: onConnection(dialled), clock: systemClock });
const answer = await client.request('reverse', Buffer.from('.eno ylno eht si siht'));
console.log(`reverse: ${Buffer.from(answer).toString()}`);
await client.request('divide', Uint8Array.of(6, 0)).catch(explain);
await client.request('ponder', new Uint8Array(), { deadlineMs: 50 }).catch(explain);

// Two hundred at once share a few streams; the server runs so many at a time, and refuses what would be too much.
const many = await Promise.all(
  Array.from({ length: 200 }, (_, i) => client.request('divide', Uint8Array.of(i, 1))),
);
console.log(`divide: ${many.length} answers over ${server.stats().streams} streams`);

await Promise.all([server.stop(), client.close()]);
console.log(`both stopped, ${dialled.stats().streamsOpen} streams open`);
await close();

function explain(error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
  console.log(`client: ${error.code}: ${error.message}`);
}
