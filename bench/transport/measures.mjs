// What the dialling end measures. Each takes the means of its process, what `listen` of the other end said, and details.
import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeFrame, encodeFrameHead } from '../../packages/quic/dist/index.js';
import { nowMs } from './now.mjs';

const PINGS = 200;
const PAUSE_MS = 5;
/** Larger messages are written behind their head instead of being copied. */
const COPY_BELOW_BYTES = 16 * 1024;
const WARM_UP_BYTES = 2_000_000;

/** First byte of a stream: what the other end does with it. */
const SINK = Buffer.from('s');
const FRAMES = Buffer.from('f');
const ECHO = Buffer.from('e');

/** Runs `measure` on a connection that has been used already, and closes that. */
async function onWarmConnection(connect, remote, measure) {
  const connection = await connect(remote);
  try {
    await upload(connection, WARM_UP_BYTES, 65_536);
    return await measure(connection);
  } finally {
    await connection.close(0, '');
  }
}

async function upload(connection, totalBytes, writeBytes) {
  const stream = await connection.openBidi();
  await stream.write(SINK);
  // Never changed, so it may be queued many times over.
  const bytes = Buffer.alloc(writeBytes, 0x5a);
  for (let sent = 0; sent < totalBytes; sent += writeBytes) await stream.write(bytes);
  await stream.finish();
  while ((await stream.read()) !== null);
}

/** From the first byte written to the answer that all have come: so many bytes on each of some streams. */
function uploadAll({ connect }, { remote }, { streams, totalBytes, writeBytes }) {
  return onWarmConnection(connect, remote, async (connection) => {
    const before = connection.stats();
    const startedAtMs = nowMs();
    const each = Math.ceil(totalBytes / streams);
    await Promise.all(Array.from({ length: streams }, () => upload(connection, each, writeBytes)));
    const elapsedS = (nowMs() - startedAtMs) / 1e3;
    return {
      value: (streams * each) / 1e6 / elapsedS,
      elapsedS,
      ...describeTraffic(before, connection.stats()),
    };
  });
}

function describeTraffic(before, after) {
  return {
    packetsOut: after.packetsOut - before.packetsOut,
    packetsLost: after.packetsLost - before.packetsLost,
    bytesOut: after.bytesOut - before.bytesOut,
    packetSizeBytes: after.packetSizeBytes,
  };
}

/** Messages of one size on one stream, as frames, taken apart at the other end. */
function sendMessages({ connect }, { remote }, { count, sizeBytes }) {
  return onWarmConnection(connect, remote, async (connection) => {
    const stream = await connection.openBidi();
    const payload = Buffer.alloc(sizeBytes, 0x5a);
    const startedAtMs = nowMs();
    await stream.write(FRAMES);
    for (let i = 0; i < count; i++) {
      if (sizeBytes < COPY_BELOW_BYTES) {
        await stream.write(encodeFrame(1, payload));
      } else {
        stream.write(encodeFrameHead(1, sizeBytes)).catch(() => {});
        await stream.write(payload);
      }
    }
    await stream.finish();
    const answer = await stream.read();
    if (Number(Buffer.from(answer ?? []).toString()) !== count) throw new Error('messages are missing');
    return { value: count / ((nowMs() - startedAtMs) / 1e3) };
  });
}

/** µs that opening a stream takes by itself. Streams are begun and ended in between: credit is for a thousand at once. */
function openStreams({ connect }, { remote }, { batches, streams }) {
  return onWarmConnection(connect, remote, async (connection) => {
    const times = [];
    for (let batch = 0; batch < batches; batch++) {
      const opened = [];
      const startedAtMs = nowMs();
      for (let i = 0; i < streams; i++) opened.push(await connection.openBidi());
      times.push(((nowMs() - startedAtMs) * 1e3) / streams);
      await Promise.all(opened.map((stream) => echoOnce(stream)));
    }
    return { value: median(times) };
  });
}

/** ms from the wish for a stream until its first byte has come back. */
function firstBytes({ connect }, { remote }, { count }) {
  return onWarmConnection(connect, remote, async (connection) => {
    const times = [];
    for (let i = 0; i < count; i++) {
      const startedAtMs = nowMs();
      const stream = await connection.openBidi();
      await stream.write(Buffer.concat([ECHO, ECHO]));
      await stream.read();
      times.push(nowMs() - startedAtMs);
      await stream.finish();
      while ((await stream.read()) !== null);
    }
    return { value: median(times), p95Ms: quantile(times, 0.95) };
  });
}

/**
 * A resumed connect whose first stream goes out with the first packets. `value`: ms from the call to the first byte of
 * the answer, less the round trip of a bare UDP packet. `toFirstStreamMs`: until the other application had the stream,
 * less half of that. An acceptor holds what came early until the handshake is complete, which takes a packet more each way.
 */
async function resume({ connect, sessions }, { remote, echo, key }, { count }) {
  const resumption = { sessions, peerKey: key };
  await (await connectAndKeepSession(connect, sessions, remote, { resumption })).close(0, '');
  const pingMs = await ping(echo);
  const answered = [];
  const arrived = [];
  let resumed = 0;
  for (let i = 0; i < count; i++) {
    const startedAtMs = nowMs();
    const connection = await connectAndKeepSession(connect, sessions, remote, {
      resumption,
      earlyData: Buffer.from('early'),
      onAnswer: (bytes) => {
        answered.push(nowMs() - startedAtMs - pingMs);
        arrived.push(Number(Buffer.from(bytes).toString()) - startedAtMs - pingMs / 2);
      },
    });
    if (connection.isResumed) resumed += 1;
    await connection.close(0, '');
    // What the last one leaves to be done is no part of the next.
    await delay(PAUSE_MS);
  }
  const whole = [];
  for (let i = 0; i < count / 4; i++) {
    const startedAtMs = nowMs();
    const connection = await connect(remote);
    const stream = await connection.openBidi();
    await stream.write(Buffer.concat([ECHO, ECHO]));
    await stream.read();
    whole.push(nowMs() - startedAtMs - pingMs);
    await connection.close(0, '');
    await delay(PAUSE_MS);
  }
  return {
    value: median(answered),
    p95Ms: quantile(answered, 0.95),
    toFirstStreamMs: median(arrived),
    pingMs,
    resumed: `${resumed}/${count}`,
    withoutSessionMs: median(whole),
  };
}

/** Connects, waits for the answer to what went early, if anything did, and until there is a session for the next time. */
async function connectAndKeepSession(connect, sessions, remote, { onAnswer, ...options }) {
  const connection = await connect(remote, options);
  if (options.earlyData !== undefined) {
    const answer = await new Promise((resolve) => connection.onStream(resolve));
    onAnswer(await answer.read());
    await connection.earlyStream.then((stream) => stream.finish());
    while ((await answer.read()) !== null);
  }
  // A ticket follows the handshake: whatever comes back after it has brought it along.
  for (let i = 0; sessions.size === 0 && i < 100; i++) await echoOnce(await connection.openBidi());
  return connection;
}

/** Median round trip of a bare UDP packet with node:dgram at both ends, in ms. */
async function ping({ host, port }) {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, resolve));
  const times = [];
  for (let i = 0; i < PINGS; i++) {
    const answer = new Promise((resolve) => socket.once('message', resolve));
    const startedAtMs = nowMs();
    socket.send(Buffer.alloc(64), port, host);
    await answer;
    times.push(nowMs() - startedAtMs);
  }
  socket.close();
  return median(times);
}

/** How many streams one connection has open at once, all of them answering. */
async function openAtOnce({ connect }, { remote }, { streams }) {
  const connection = await connect(remote);
  const startedAtMs = nowMs();
  const opened = await Promise.all(Array.from({ length: streams }, () => connection.openBidi()));
  const answers = await Promise.all(
    opened.map(async (stream, i) => {
      await stream.write(Buffer.concat([ECHO, Buffer.from([i & 0xff])]));
      return (await stream.read())?.[0] === (i & 0xff);
    }),
  );
  const elapsedMs = nowMs() - startedAtMs;
  const open = connection.stats().streamsOpen;
  await Promise.all(opened.map((stream) => endEcho(stream)));
  await connection.close(0, '');
  return { value: Math.min(open, answers.filter(Boolean).length), elapsedMs };
}

async function echoOnce(stream) {
  await stream.write(Buffer.concat([ECHO, ECHO]));
  await endEcho(stream);
}

async function endEcho(stream) {
  await stream.finish();
  while ((await stream.read()) !== null);
}

function median(values) {
  return quantile(values, 0.5);
}

function quantile(values, share) {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const measures = { uploadAll, sendMessages, openStreams, firstBytes, resume, openAtOnce };
