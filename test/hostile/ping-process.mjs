// Pings a device through the local API of another at a steady rate, whether or not the last ping was answered. A process of
// its own, so that whoever attacks does not slow down who measures.
//   fork, then send {start: {socketPath, device}} and {stop: true}; the answer is the round trips in ms
import { callDaemon } from '../../packages/daemon/dist/local-api/index.js';

const EVERY_MS = 15;
/** What a ping counts that was not answered by then, or failed. */
const TIMEOUT_MS = 10_000;

let timer;
let pings = [];

process.on('message', async (order) => {
  if (order.start !== undefined) {
    const { socketPath, device } = order.start;
    pings = [];
    timer = setInterval(() => {
      const call = callDaemon(socketPath, 'ping', { device, count: 1 }, { timeoutMs: TIMEOUT_MS });
      pings.push(
        call.then(
          ({ roundTripsMs }) => roundTripsMs[0] ?? TIMEOUT_MS,
          () => TIMEOUT_MS,
        ),
      );
    }, EVERY_MS);
  } else {
    clearInterval(timer);
    process.send(await Promise.all(pings));
  }
});
