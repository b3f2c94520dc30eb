// Prints one JSON object a line for every benchmark: {"bench": "...", "value": n, "unit": "..."}.
//   npm run bench                      everything, a few minutes
//   npm run bench -- transport         one group: transport, engine or end-to-end
//   npm run bench -- transport --only stream-1350-dgram
// Absolute figures say as much about the machine as about the code: compare within one run.
const GROUPS = {
  transport: './transport/run.mjs',
  engine: './engine/run.mjs',
  'end-to-end': './end-to-end/run.mjs',
};

const words = process.argv.slice(2);
const onlyAt = words.indexOf('--only');
const only = onlyAt < 0 ? undefined : words[onlyAt + 1];
const named = words.filter((word, i) => !word.startsWith('--') && (onlyAt < 0 || i !== onlyAt + 1));
const unknown = named.find((name) => !(name in GROUPS));
if (unknown !== undefined || (onlyAt >= 0 && only === undefined)) {
  console.error(`Usage: npm run bench -- [${Object.keys(GROUPS).join('|')}] [--only NAME]`);
  process.exit(2);
}

for (const name of named.length > 0 ? named : Object.keys(GROUPS)) {
  const { run } = await import(GROUPS[name]);
  await run((result) => console.log(JSON.stringify(result)), only === undefined ? {} : { only });
}
