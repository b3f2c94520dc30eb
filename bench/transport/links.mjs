// What lies between the two ends: loopback, or a cable of a given speed between two network namespaces.
import { execFileSync } from 'node:child_process';

/** For every link: what it carries, and how long what does not go out at once may wait. */
const SHAPES = {
  'veth-1g': { megabitsPerSecond: 1_000, burst: '128kb', latencyMs: 5 },
  'veth-1g-1ms': { megabitsPerSecond: 1_000, burst: '128kb', latencyMs: 1 },
  'veth-100m': { megabitsPerSecond: 100, burst: '16kb', latencyMs: 10 },
};
const NAME = 'landropic-bench';

export const LINK_NAMES = ['loopback', ...Object.keys(SHAPES)];

/** Namespaces that are there, to be removed whatever happens. */
const namespaces = new Set();
process.on('exit', removeAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    removeAll();
    process.exit(1);
  });
}

/** Why there are no links but loopback; undefined when there are. */
export function findObstacle() {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    run('ip', '-Version');
    run('tc', '-Version');
  } catch {
    return 'ip and tc (iproute2) are missing';
  }
  return undefined;
}

/** Runs `work` with the link of that name, and takes it down. */
export async function withLink(name, work) {
  if (name === 'loopback') {
    const end = { prefix: [], host: '127.0.0.1' };
    return work({ name, near: end, far: end, readDrops: () => undefined });
  }
  const link = makeLink(name, SHAPES[name]);
  try {
    return await work(link);
  } finally {
    removeAll();
  }
}

function makeLink(name, { megabitsPerSecond, burst, latencyMs }) {
  removeForgotten();
  const ends = ['a', 'b'].map((side, i) => ({
    namespace: `${NAME}-${process.pid}-${side}`,
    device: `veth${i}`,
    host: `10.67.0.${i + 1}`,
  }));
  for (const { namespace } of ends) {
    run('ip', 'netns', 'add', namespace);
    namespaces.add(namespace);
  }
  const [near, far] = ends;
  run('ip', '-n', near.namespace, 'link', 'add', near.device, 'type', 'veth', 'peer', far.device);
  run('ip', '-n', near.namespace, 'link', 'set', far.device, 'netns', far.namespace);
  for (const { namespace, device, host } of ends) {
    run('ip', '-n', namespace, 'address', 'add', `${host}/24`, 'dev', device);
    run('ip', '-n', namespace, 'link', 'set', device, 'up');
    const shape = ['rate', `${megabitsPerSecond}mbit`, 'burst', burst, 'latency', `${latencyMs}ms`];
    run('ip', 'netns', 'exec', namespace, 'tc', 'qdisc', 'add', 'dev', device, 'root', 'tbf', ...shape);
  }
  const inside = ({ namespace, host }) => ({ prefix: ['ip', 'netns', 'exec', namespace], host });
  return { name, megabitsPerSecond, near: inside(near), far: inside(far), readDrops: () => readDrops(near) };
}

/** Packets from the near end that found the queue of the link full. */
function readDrops({ namespace, device }) {
  const [qdisc] = JSON.parse(
    run('ip', 'netns', 'exec', namespace, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', device),
  );
  return qdisc.drops;
}

/** Those of a run that was killed before it could remove them. */
function removeForgotten() {
  for (const line of run('ip', 'netns', 'list').split('\n')) {
    const [, pid] = /^landropic-bench-(\d+)-/.exec(line) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) namespaces.add(line.split(' ')[0]);
  }
  removeAll();
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function removeAll() {
  for (const namespace of namespaces) {
    namespaces.delete(namespace);
    try {
      run('ip', 'netns', 'delete', namespace);
    } catch (error) {
      console.error(`the network namespace ${namespace} is still there: ${error.message}`);
    }
  }
}

function run(command, ...words) {
  return execFileSync(command, words, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}
