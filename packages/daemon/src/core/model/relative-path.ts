/**
 * A path inside a folder: components joined by `/`, NFC, at most 4,096 bytes of UTF-8 with at most 255 each; no empty,
 * `.` or `..` component, no NUL, not absolute. Only {@link parseRelativePath} makes one.
 */
export type RelativePath = string & { readonly __brand: 'RelativePath' };

/** The folder itself, as the parent of its top-level entries. */
export type DirectoryPath = RelativePath | '';

export const MAX_PATH_BYTES = 4096;
export const MAX_NAME_BYTES = 255;

export type PathFlaw =
  | 'empty'
  | 'absolute'
  | 'dot-component'
  | 'empty-component'
  | 'nul'
  | 'not-normalised'
  | 'too-long'
  | 'name-too-long'
  | 'not-unicode';

const encoder = new TextEncoder();

export function findPathFlaw(text: string): PathFlaw | undefined {
  if (text === '') return 'empty';
  if (text.startsWith('/')) return 'absolute';
  if (text.includes('\0')) return 'nul';
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text))
    return 'not-unicode';
  if (text.normalize('NFC') !== text) return 'not-normalised';
  if (byteLength(text) > MAX_PATH_BYTES) return 'too-long';
  for (const name of text.split('/')) {
    if (name === '') return 'empty-component';
    if (name === '.' || name === '..') return 'dot-component';
    if (byteLength(name) > MAX_NAME_BYTES) return 'name-too-long';
  }
  return undefined;
}

export function parseRelativePath(text: string): RelativePath | undefined {
  return findPathFlaw(text) === undefined ? (text as RelativePath) : undefined;
}

/** Joins a directory and one name that is known to be sound. */
export function childPath(directory: DirectoryPath, name: string): RelativePath {
  return (directory === '' ? name : `${directory}/${name}`) as RelativePath;
}

export function parentOf(path: RelativePath): DirectoryPath {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : (path.slice(0, slash) as RelativePath);
}

export function nameOf(path: RelativePath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function isBelow(path: RelativePath, directory: DirectoryPath): boolean {
  return directory === '' || path.startsWith(`${directory}/`);
}

/** Number of components. */
export function depthOf(path: RelativePath): number {
  let depth = 1;
  for (let i = path.indexOf('/'); i >= 0; i = path.indexOf('/', i + 1)) depth++;
  return depth;
}

function byteLength(text: string): number {
  // Most names are short ASCII: a UTF-8 length of at most three bytes a unit needs no encoding to be seen as short.
  return text.length * 3 <= MAX_NAME_BYTES ? text.length : encoder.encode(text).length;
}
