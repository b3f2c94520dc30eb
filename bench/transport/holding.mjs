// Connections and streams that stay open while somebody else looks at what they cost.
import { nowMs } from './now.mjs';

/** How many handshakes one dialling process has under way. */
const CONNECTS_AT_ONCE = 16;
const ECHO = Buffer.from('e');

/** Opens so many connections, each of which answers on a stream; then they are idle. */
export async function holdConnections({ connect, held }, { remote }, { connections }) {
  const startedAtMs = nowMs();
  let left = connections;
  let answered = 0;
  const open = async () => {
    while (left > 0) {
      left -= 1;
      const connection = await connect(remote);
      const ask = () => isAnswered(connection);
      held.push(ask);
      if (await ask()) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, open));
  return { answered, elapsedMs: nowMs() - startedAtMs };
}

async function isAnswered(connection) {
  const stream = await connection.openBidi();
  await stream.write(Buffer.concat([ECHO, ECHO]));
  const answer = await stream.read();
  await stream.finish();
  while ((await stream.read()) !== null);
  return answer?.[0] === ECHO[0];
}

/** Opens so many streams on one connection, each of which has answered once and stays open. */
export async function holdStreams({ connect, held }, { remote }, { streams }) {
  const connection = await connect(remote);
  held.push(() => isAnswered(connection));
  const opened = await Promise.all(Array.from({ length: streams }, () => connection.openBidi()));
  await Promise.all(
    opened.map(async (stream) => {
      await stream.write(Buffer.concat([ECHO, ECHO]));
      await stream.read();
    }),
  );
  return { streamsOpen: connection.stats().streamsOpen };
}
