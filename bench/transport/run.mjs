// Benchmarks of the transport, each between two processes or more, on loopback and, on Linux as root, through virtual
// cables between network namespaces: there the name of the link is put behind that of the benchmark. Every figure is the
// best of its rounds: others use the machine too, and only ever make a round slower.
import { BENCHES } from './benches.mjs';
import { withEnds } from './ends.mjs';
import { findObstacle, LINK_NAMES, withLink } from './links.mjs';

const DEFAULT_ROUNDS = 3;

/** Runs the benchmarks (all, or the one named by `only`, and through all links or one) and gives each result to `emit`. */
export async function run(emit, { only, where, rounds } = {}) {
  const obstacle = findObstacle();
  if (obstacle !== undefined) console.error(`loopback only: ${obstacle}`);
  for (const linkName of obstacle === undefined ? LINK_NAMES : ['loopback']) {
    if (where !== undefined && where !== linkName) continue;
    const benches = BENCHES.filter((bench) => isWanted(bench, linkName, only));
    if (benches.length === 0) continue;
    await withLink(linkName, async (link) => {
      for (const bench of benches) emit(await measure(bench, link, rounds ?? bench.rounds ?? DEFAULT_ROUNDS));
    });
  }
}

/** One is wanted by its name, with or without the link. */
function isWanted({ name, links }, linkName, only) {
  if (!links.includes(linkName)) return false;
  return only === undefined || only === name || only === nameThrough(linkName, name);
}

function nameThrough(linkName, name) {
  return linkName === 'loopback' ? name : `${name}-${linkName}`;
}

function measure(bench, link, rounds) {
  return withEnds(link, bench.endpoint ?? {}, bench.diallers ?? 1, async (ends) => {
    const results = [];
    for (let round = 0; round < rounds; round++) results.push(await measureOnce(bench, link, ends));
    const byValue = [...results].sort((x, y) => x.value - y.value);
    const { value, ...details } = bench.isLowerBetter ? byValue[0] : byValue.at(-1);
    const target = bench.target[link.name];
    return {
      bench: nameThrough(link.name, bench.name),
      value: round(value),
      unit: bench.unit,
      where: link.name,
      ...(target === undefined ? {} : { target: `${bench.isLowerBetter ? '<=' : '>='} ${target}` }),
      ...details,
      ...(rounds > 1 ? { rounds: results.map((result) => round(result.value)) } : {}),
      ...(ends.diallers.length === 0 ? {} : { datagramIo: ends.target.datagramIo }),
    };
  });
}

/** CPU time is that of both processes, which have one core each at best. */
async function measureOnce(bench, link, ends) {
  const all = ends.diallers.length === 0 ? [] : [ends.diallers[0], ends.acceptor];
  const before = await Promise.all(all.map((end) => end.call('cpu')));
  const result = await bench.measure({ ...ends, link, bench });
  const after = await Promise.all(all.map((end) => end.call('cpu')));
  const [diallerCpu, acceptorCpu] = after.map(({ userS, systemS }, i) => ({
    userS: round(userS - before[i].userS),
    systemS: round(systemS - before[i].systemS),
  }));
  return all.length === 0 ? result : { ...result, diallerCpu, acceptorCpu };
}

function round(value) {
  return Number(value.toPrecision(4));
}
