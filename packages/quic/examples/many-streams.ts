/**
 * Two thousand questions at once, each on a stream of its own. Streams are cheap: no handshake, no order among them, and
 * one that is slow holds up no other. The peer allows 1,024 at a time; the rest waits in `openBidi` until some are over.
 *
 *     node packages/quic/dist/examples/many-streams.js
 */
import { type BidiStream, type Connection, StreamReader } from '@landropic/quic';
import { connectTwoEndpoints } from './two-endpoints.js';

const QUESTIONS = 2_000;

const { dialled, accepted, close } = await connectTwoEndpoints();
let mostOpen = 0;
accepted.onStream((stream) => {
  mostOpen = Math.max(mostOpen, accepted.stats().streamsOpen);
  if (stream.kind === 'bidi') void answerSquare(stream);
});

const startedAtMs = performance.now();
const squares = await Promise.all(Array.from({ length: QUESTIONS }, (_, i) => askSquare(dialled, i)));
const tookMs = Math.round(performance.now() - startedAtMs);
const isRight = squares.every((square, i) => square === i * i);
console.log(`${squares.length} answers, ${isRight ? 'all right' : 'some wrong'}, in ${tookMs} ms`);
console.log(`${mostOpen} streams open at most, ${dialled.stats().streamsOpen} at the end`);
await close();

async function askSquare(connection: Connection, number: number): Promise<number> {
  const stream = await connection.openBidi({ signal: AbortSignal.timeout(10_000) });
  await stream.write(Buffer.from(String(number)));
  await stream.finish();
  return Number(Buffer.from(await new StreamReader(stream).readToEnd(100)).toString());
}

async function answerSquare(stream: BidiStream): Promise<void> {
  const question = await new StreamReader(stream).readToEnd(100);
  await stream.write(Buffer.from(String(Number(Buffer.from(question).toString()) ** 2)));
  await stream.finish();
}
