// What connections and streams cost the end that accepted them.

/** So many that code is compiled and pools are filled, before memory is looked at. */
const WARM_UP_CONNECTIONS = 50;
const KIB = 1_024;

/** Connections that are all open at once: how many answered, and once more when all were there; and what one takes. */
export async function holdManyConnections({ acceptor, diallers, target }, { connections }) {
  await diallers[0].call('holdConnections', target, { connections: WARM_UP_CONNECTIONS });
  const before = await acceptor.call('memory');
  const cpuBefore = await acceptor.call('cpu');
  const each = Math.ceil(connections / diallers.length);
  const opened = await Promise.all(
    diallers.map((dialler) => dialler.call('holdConnections', target, { connections: each })),
  );
  const cpu = await acceptor.call('cpu');
  const after = await acceptor.call('memory');
  const { connections: open } = await acceptor.call('stats');
  const answers = await Promise.all(diallers.map((dialler) => dialler.call('askHeld')));
  const added = each * diallers.length;
  return {
    value: Math.min(open, sum(answers)),
    answered: sum(opened.map(({ answered }) => answered)),
    elapsedS: round(Math.max(...opened.map(({ elapsedMs }) => elapsedMs)) / 1e3),
    acceptorCpuMsEach: round((1e3 * (cpu.userS + cpu.systemS - cpuBefore.userS - cpuBefore.systemS)) / added),
    memoryKib: round((after.residentBytes - before.residentBytes) / added / KIB),
  };
}

export async function holdManyStreams({ acceptor, diallers: [dialler], target }, { connections, streams }) {
  // The first ones fill every pool; how many are measured is what the later ones add.
  const hold = async () => {
    let open = 0;
    for (let i = 0; i < connections; i++)
      open += (await dialler.call('holdStreams', target, { streams })).streamsOpen;
    return open;
  };
  await dialler.call('holdConnections', target, { connections: WARM_UP_CONNECTIONS });
  await dialler.call('holdStreams', target, { streams });
  const before = await acceptor.call('memory');
  const open = await hold();
  const after = await acceptor.call('memory');
  return { value: (after.residentBytes - before.residentBytes) / open / KIB, streams: open };
}

/** CPU time of the accepting end with idle connections, less what it takes with none; percent of a core for each. */
export async function watchIdleConnections(
  { acceptor, diallers: [dialler], target },
  { connections, seconds },
) {
  const watch = async () => {
    const before = await acceptor.call('cpu');
    await new Promise((resolve) => setTimeout(resolve, seconds * 1e3));
    const after = await acceptor.call('cpu');
    return after.userS + after.systemS - before.userS - before.systemS;
  };
  const alone = await watch();
  await dialler.call('holdConnections', target, { connections });
  const together = await watch();
  return {
    value: Math.max(0, (100 * (together - alone)) / seconds / connections),
    connections,
    cpuS: round(together),
    cpuWithNoneS: round(alone),
  };
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function round(value) {
  return Number(value.toPrecision(4));
}
