import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { until } from './until.js';

/** What must be the same on every device: path bytes → what stands there. Directories' own times are not. */
export type Tree = ReadonlyMap<string, string>;

const OWN_STATE = '.landropic';
const BLOCK_BYTES = 4 * 1024 * 1024;

/** Names are read as bytes, so that two spellings of one name are two names. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  const visit = (directory: Buffer, prefix: string): void => {
    for (const name of readdirSync(directory, { encoding: 'buffer' })) {
      const path = Buffer.concat([directory, Buffer.from('/'), name]);
      const shown = `${prefix}${JSON.stringify(name.toString('latin1')).slice(1, -1)}`;
      if (prefix === '' && shown === OWN_STATE) continue;
      const stat = lstatSync(path);
      tree.set(shown, describe(path, stat));
      if (stat.isDirectory()) visit(path, `${shown}/`);
    }
  };
  visit(Buffer.from(root), '');
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function describe(path: Buffer, stat: Stats): string {
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink())
    return `link to ${readlinkSync(path, { encoding: 'buffer' }).toString('latin1')}`;
  if (!stat.isFile()) return 'something else';
  const executable = (stat.mode & 0o100) === 0 ? '' : ' executable';
  return `file ${stat.size} ${hashFile(path)}${executable}`;
}

function hashFile(path: Buffer): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  try {
    for (let read = readSync(file, block); read > 0; read = readSync(file, block)) {
      hash.update(block.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('hex').slice(0, 16);
}

/** What differs, one line each; empty when the trees are the same. */
export function compareTrees(a: Tree, b: Tree): string[] {
  const differences: string[] = [];
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    const left = a.get(path) ?? 'nothing';
    const right = b.get(path) ?? 'nothing';
    if (left !== right) differences.push(`${path}: ${left} | ${right}`);
  }
  return differences;
}

/** Returns the common tree once both are the same; fails with the differences. */
export async function untilSame(rootA: string, rootB: string, timeoutMs = 20_000): Promise<Tree> {
  return await until(
    () => {
      const [a, b] = [readTree(rootA), readTree(rootB)];
      const differences = compareTrees(a, b);
      if (differences.length > 0) throw new Error(differences.slice(0, 10).join('\n'));
      return a;
    },
    { what: 'both trees are the same', timeoutMs },
  );
}

/** Identity and times of everything below: the same twice means that nothing was written in between. */
export function readFootprint(root: string): string[] {
  return (readdirSync(root, { recursive: true }) as string[])
    .filter((path) => path !== OWN_STATE && !path.startsWith(`${OWN_STATE}/`))
    .sort()
    .map((path) => {
      const stat = lstatSync(`${root}/${path}`, { bigint: true });
      return `${path} inode ${stat.ino} size ${stat.size} mtime ${stat.mtimeNs} ctime ${stat.ctimeNs}`;
    });
}
