import { createHash } from 'node:crypto';
import { base32Text, base32Value, base32ValuesFromBytes, bytesFromBase32Values } from './base32.js';
import { CryptoError } from './errors.js';

/**
 * Who a device is: SHA-256 of its public key. Canonical text: 52 base32 characters and 4 check characters, as eight
 * groups of seven joined by `-`. One device has one text. (The order of texts is not the order of bytes.)
 */
export type DeviceId = string & { readonly __brand: 'DeviceId' };

const idBytes = 32;
const blockCount = 4;
const dataPerBlock = 13;
const blockLength = dataPerBlock + 1;
const textLength = blockCount * blockLength;
const groupLength = 7;
const groupCount = textLength / groupLength;
const blocks = Array.from({ length: blockCount }, (_, block) => block);
/** Far beyond any honest way of writing an ID, and small enough to look at without care. */
const maxInputLength = 512;

/** SubjectPublicKeyInfo of ECDSA, named curve P-256, uncompressed point: everything before the two coordinates. */
const spkiPrefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const spkiLength = 91;

/**
 * The ID of the device that holds this key. `spkiDer` is the SubjectPublicKeyInfo in DER.
 * Throws `bad-public-key` unless it is exactly the 91 bytes of an uncompressed point on the named curve P-256: a key
 * that could be written in two ways would have two IDs.
 */
export function deviceIdFromSpki(spkiDer: Uint8Array): DeviceId {
  if (spkiDer.length !== spkiLength || !spkiPrefix.equals(spkiDer.subarray(0, spkiPrefix.length))) {
    throw new CryptoError(
      'bad-public-key',
      'the public key is not an uncompressed point on the named curve P-256',
    );
  }
  return deviceIdFromBytes(createHash('sha256').update(spkiDer).digest());
}

/** The ID with these 32 bytes. Throws `bad-device-id` for any other number of bytes. */
export function deviceIdFromBytes(bytes: Uint8Array): DeviceId {
  if (bytes.length !== idBytes) {
    throw new CryptoError('bad-device-id', `a device ID has ${idBytes} bytes, not ${bytes.length}`);
  }
  return formatDeviceId(withCheckValues(base32ValuesFromBytes(bytes)));
}

/** The 32 bytes of an ID. */
export function deviceIdBytes(id: DeviceId): Uint8Array {
  return bytesOfValues(valuesOfGroups(id.split('-')));
}

/** The first group: enough for a person to tell their devices apart, not enough to trust. */
export function shortDeviceId(id: DeviceId): string {
  return id.slice(0, groupLength);
}

/**
 * Reads an ID as people write it: either case, dashes and spaces anywhere or nowhere, 0 for O, 1 for I, 8 for B.
 * Throws `bad-device-id`, naming the groups to look at, when a character is wrong, missing, or swapped with its neighbour.
 */
export function parseDeviceId(text: string): DeviceId {
  if (text.length > maxInputLength) throw new CryptoError('bad-device-id', 'too long for a device ID');
  const groups = text.split(/[\s\p{Pd}\u2212\u200b\ufeff]+/u).filter((group) => group !== '');
  checkLengths(groups);
  const values = valuesOfGroups(groups);
  const failing = blocks.filter((block) => !isBlockRight(values, block));
  if (failing.length > 0) {
    const suspects = groupsOfSingleSlip(values);
    const mistyped = suspects.length > 0 ? suspects : failing.flatMap(groupsOfBlock);
    throw new CryptoError(
      'bad-device-id',
      `the device ID is mistyped: look at ${nameGroups(mistyped)}${suspects.length > 0 ? '' : ' (several characters are wrong)'}`,
    );
  }
  bytesOfValues(values);
  return formatDeviceId(values);
}

function checkLengths(groups: readonly string[]): void {
  const length = groups.reduce((sum, group) => sum + [...group].length, 0);
  if (length === textLength) return;
  const found = `a device ID has ${textLength} letters and digits in ${groupCount} groups of ${groupLength}; this has ${length}`;
  const wrong = groups.findIndex((group) => [...group].length !== groupLength);
  const looksGrouped = groups.length > 1 && wrong >= 0;
  throw new CryptoError('bad-device-id', looksGrouped ? `${found}: look at group ${wrong + 1}` : found);
}

function valuesOfGroups(groups: readonly string[]): number[] {
  return [...groups.join('')].map((character, position) => {
    const value = base32Value(character);
    if (value === undefined) {
      throw new CryptoError(
        'bad-device-id',
        `"${character}" cannot be in a device ID: look at group ${groupAt(position)}`,
      );
    }
    return value;
  });
}

function formatDeviceId(values: readonly number[]): DeviceId {
  const text = base32Text(values);
  const groups: string[] = [];
  for (let start = 0; start < text.length; start += groupLength) {
    groups.push(text.slice(start, start + groupLength));
  }
  return groups.join('-') as DeviceId;
}

function bytesOfValues(values: readonly number[]): Uint8Array {
  const data = values.filter((_, position) => position % blockLength !== dataPerBlock);
  const { bytes, exact } = bytesFromBase32Values(data);
  if (!exact) throw new CryptoError('bad-device-id', 'no device has this ID: look at group 8');
  return bytes;
}

/** Takes the 52 values of the data and puts the check value after every thirteenth. */
function withCheckValues(data: readonly number[]): number[] {
  const spaced: number[] = [];
  for (let block = 0; block < blockCount; block += 1) {
    spaced.push(...data.slice(block * dataPerBlock, (block + 1) * dataPerBlock), 0);
  }
  return spaced.map((value, position) =>
    position % blockLength === dataPerBlock ? checkValue(spaced, Math.floor(position / blockLength)) : value,
  );
}

function isBlockRight(values: readonly number[], block: number): boolean {
  return values[block * blockLength + dataPerBlock] === checkValue(values, block);
}

/**
 * Luhn mod 32 over the block's own characters, after every second one of the block that follows (the first follows the
 * last). Luhn alone, with an even base, cannot see its first and last digit (A and 7) swapped; seeing one of any two
 * neighbours a second time, elsewhere, closes that gap: every wrong character and every swap of neighbours is caught.
 */
function checkValue(values: readonly number[], block: number): number {
  const start = block * blockLength;
  const nextStart = ((block + 1) % blockCount) * blockLength;
  let sum = 0;
  let doubled = true;
  const add = (position: number): void => {
    const value = (values[position] ?? 0) * (doubled ? 2 : 1);
    sum += (value >> 5) + (value & 31);
    doubled = !doubled;
  };
  for (let offset = dataPerBlock - 1; offset >= 0; offset -= 1) add(start + offset);
  for (let offset = dataPerBlock - 1; offset >= 0; offset -= 2) add(nextStart + offset);
  return (32 - (sum % 32)) % 32;
}

/** Groups in which one wrong character, or one swap of neighbours, would explain what is wrong. */
function groupsOfSingleSlip(values: readonly number[]): number[] {
  const suspects = new Set<number>();
  const attempt = [...values];
  const explains = (): boolean => blocks.every((block) => isBlockRight(attempt, block));
  for (const [position, typed] of values.entries()) {
    for (let value = 0; value < 32; value += 1) {
      attempt[position] = value;
      if (explains()) suspects.add(groupAt(position));
    }
    const next = values[position + 1];
    if (next !== undefined) {
      attempt[position] = next;
      attempt[position + 1] = typed;
      if (explains()) suspects.add(groupAt(position)).add(groupAt(position + 1));
      attempt[position + 1] = next;
    }
    attempt[position] = typed;
  }
  return [...suspects].sort((a, b) => a - b);
}

function groupAt(position: number): number {
  return Math.floor(position / groupLength) + 1;
}

function groupsOfBlock(block: number): number[] {
  return [block * 2 + 1, block * 2 + 2];
}

function nameGroups(groups: readonly number[]): string {
  if (groups.length === 1) return `group ${groups[0]}`;
  return `groups ${groups.slice(0, -1).join(', ')} and ${groups.at(-1)}`;
}
