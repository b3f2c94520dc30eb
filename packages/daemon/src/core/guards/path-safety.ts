const RESERVED_NAME = '.landropic';

/** Code points that HFS+ drops when it compares names. */
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;
/** What Windows drops from the end of a name. */
const TRAILING = /[. ]+$/;

/**
 * True for the folder's own area and everything in it, spelled in any way that a supported disk may take for it. Such a
 * path is never an entry.
 */
export function isReservedPath(path: string): boolean {
  const slash = path.indexOf('/');
  const first = slash < 0 ? path : path.slice(0, slash);
  if (first.length < RESERVED_NAME.length) return false;
  return first.replace(IGNORABLE, '').replace(TRAILING, '').toLowerCase() === RESERVED_NAME;
}
