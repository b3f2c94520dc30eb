// Prints one JSON object a line for every benchmark: {"bench": "...", "value": n, "unit": "..."}.
//   npm run bench                      everything, a few minutes
//   npm run bench -- transport         one group: transport, engine or end-to-end
//   npm run bench -- transport --only stream-1350-dgram --rounds 1
//   npm run bench -- transport --where veth-1g      through one link: loopback, veth-1g, veth-1g-1ms or veth-100m
// Absolute figures say as much about the machine as about the code: compare within one run.
const GROUPS = {
  transport: './transport/run.mjs',
  engine: './engine/run.mjs',
  'end-to-end': './end-to-end/run.mjs',
};

const words = process.argv.slice(2);
const only = takeOption('--only');
const where = takeOption('--where');
const rounds = takeOption('--rounds');
const unknown = words.find((name) => !(name in GROUPS));
if (unknown !== undefined || !(rounds === undefined || Number(rounds) >= 1)) {
  console.error(
    `Usage: npm run bench -- [${Object.keys(GROUPS).join('|')}] [--only NAME] [--where LINK] [--rounds N]`,
  );
  process.exit(2);
}

const options = {
  ...(only === undefined ? {} : { only }),
  ...(where === undefined ? {} : { where }),
  ...(rounds === undefined ? {} : { rounds: Number(rounds) }),
};
let printed = 0;
for (const name of words.length > 0 ? words : Object.keys(GROUPS)) {
  const { run } = await import(GROUPS[name]);
  await run((result) => {
    printed += 1;
    console.log(JSON.stringify(result));
  }, options);
}
if (printed === 0) {
  console.error('No benchmark has that name, or not there.');
  process.exit(2);
}

/** The word after this one; both are gone then. */
function takeOption(name) {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words.splice(at, 2)[1];
}
