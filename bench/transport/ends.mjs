import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const END_PROCESS = fileURLToPath(new URL('./end-process.mjs', import.meta.url));
const NODE_OPTIONS = ['--expose-gc', '--max-old-space-size=8192'];
const STOP_MS = 5_000;

/** A process that is one end of what is measured. `call(command, ...values)` has it do something and gives the result. */
export async function startEnd({ prefix, host }, options) {
  const [program, ...words] = [...prefix, process.execPath, ...NODE_OPTIONS, END_PROCESS];
  const child = spawn(program, [...words, JSON.stringify({ host, ...options })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map();
  let lastId = 0;
  const ready = new Promise((resolve, reject) => waiting.set(0, { resolve, reject }));
  child.on('message', ({ id, result, error }) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result);
    else waiter?.reject(new Error(`in the benchmark's process: ${error}`));
  });
  let isStopping = false;
  const ended = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(new Error(`it ended with ${signal ?? code}`)));
  });
  const failed = ended.then((cause) => {
    if (!isStopping) throw new Error("one of the benchmark's processes failed", { cause });
  });
  failed.catch(() => {});
  await Promise.race([ready, failed]);
  return {
    /** Rejects when it ends before it is stopped. */
    failed,
    call(command, ...values) {
      lastId += 1;
      const id = lastId;
      const result = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      child.send({ id, command, values });
      return result;
    },
    async stop() {
      isStopping = true;
      if (child.connected) child.send({ id: -1, command: 'stop' });
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** Runs `work` with an accepting end and a number of dialling ones, and ends them all. */
export async function withEnds(link, options, diallers, work) {
  const ends = [];
  try {
    ends.push(await startEnd(link.far, options));
    for (let i = 0; i < diallers; i++) ends.push(await startEnd(link.near, options));
    const [acceptor, ...dialling] = ends;
    const target = await acceptor.call('listen');
    const done = work({ acceptor, diallers: dialling, target });
    await Promise.race([done, ...ends.map((end) => end.failed)]);
    return await done;
  } finally {
    await Promise.all(ends.map((end) => end.stop()));
  }
}
