import { readFileSync } from 'node:fs';
import { decode, encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { matchesCddl } from '../testing/cddl-match.fixture.js';
import { type CddlType, parseCddl } from '../testing/cddl-syntax.fixture.js';
import { goldenFrames } from '../testing/golden-frames.fixture.js';
import { decodePayload, WireError } from './codec.js';
import { FrameType, StreamKind } from './frame-types.js';
import { frameLimit, isDatagramFrameType, isSkippedFrameType } from './limits.js';

const rules = parseCddl(readFileSync(new URL('../../../../../docs/frames.cddl', import.meta.url), 'utf8'));

const STREAM_RULES = new Map<number, string>([
  [StreamKind.control, 'control-stream'],
  [StreamKind.indexShard, 'index-stream'],
  [StreamKind.hotFolder, 'index-stream'],
  [StreamKind.receipts, 'receipts-stream'],
  [StreamKind.chunks, 'chunk-stream'],
  [StreamKind.pairing, 'pairing-stream'],
]);

/** The rule of each frame type: what `name-frame = [type, payload]` says. */
const ruleOfType = new Map<number, string>();
for (const [name, rule] of rules) {
  const [head] = rule.is === 'array' && name.endsWith('-frame') ? rule.entries : [];
  if (head?.type.is === 'number') ruleOfType.set(head.type.value, name);
}

function namesIn(rule: CddlType | undefined): readonly string[] {
  if (rule?.is === 'name') return [rule.name];
  return rule?.is === 'choice' ? rule.of.flatMap(namesIn) : [];
}

function typesIn(stream: string): ReadonlySet<number> {
  const names = new Set(namesIn(rules.get(stream)));
  return new Set([...ruleOfType].filter(([, name]) => names.has(name)).map(([type]) => type));
}

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const decodeValue = (payload: Uint8Array): unknown => decode(payload, { useMaps: true, strict: true });

function cddlTakes(type: number, value: unknown, closed = false): boolean {
  return matchesCddl(rules, ruleOfType.get(type) ?? '', [type, value], { closed });
}

function codecTakes(type: number, payload: Uint8Array): boolean {
  try {
    decodePayload(type, payload);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
    return false;
  }
}

const golden = goldenFrames.map(([name, hex]) => {
  const bytes = bytesOf(hex);
  return { name, type: bytes[0] ?? 0, payload: bytes.subarray(5) };
});

describe('docs/frames.cddl', () => {
  it('has every frame of the protocol once, by name and number', () => {
    const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const numbers = Object.entries(FrameType).map(([name, type]) => [`${kebab(name)}-frame`, type]);
    expect([...ruleOfType].map(([type, name]) => [name, type]).sort()).toEqual(numbers.sort());
  });

  it('says of every type on which stream it belongs, as the limits do', () => {
    for (const [kind, rule] of STREAM_RULES) {
      const types = typesIn(rule);
      for (let type = 0; type < 256; type++) {
        const isKnown = types.has(type) || isSkippedFrameType(type);
        expect(isKnown, `${type} on ${rule}`).toBe(frameLimit(kind, type) !== undefined);
      }
      expect(namesIn(rules.get(rule))).toContain('skipped-frame');
    }
    const datagrams = typesIn('datagram');
    for (let type = 0; type < 256; type++) expect(datagrams.has(type)).toBe(isDatagramFrameType(type));
  });

  it('uses every rule that it has, and has every rule that it uses', () => {
    const used = new Set<string>([...STREAM_RULES.values(), 'datagram']);
    const visit = (type: CddlType): void => {
      if (type.is === 'name') used.add(type.name);
      else if (type.is === 'choice') type.of.forEach(visit);
      else if (type.is === 'control') [type.type, type.argument].forEach(visit);
      else if ('entries' in type) {
        for (const entry of type.entries) {
          if (entry.key !== undefined) visit(entry.key);
          visit(entry.type);
        }
      }
    };
    for (const rule of rules.values()) visit(rule);
    const basic = ['any', 'uint', 'int', 'bool', 'null', 'tstr', 'bstr'];
    expect([...used].filter((name) => !basic.includes(name)).sort()).toEqual([...rules.keys()].sort());
  });

  it.each(golden)('describes the golden bytes of $name, with nothing left over', ({ type, payload }) => {
    expect(cddlTakes(type, decodeValue(payload), true)).toBe(true);
    for (const other of ruleOfType.keys()) {
      if (other !== type)
        expect(matchesCddl(rules, ruleOfType.get(other) ?? '', [type, decodeValue(payload)])).toBe(false);
    }
  });

  it.each(golden)('agrees with the codec about what is not quite $name', ({ type, payload }) => {
    let changed = 0;
    for (const variant of variantsOf(decodeValue(payload))) {
      changed++;
      const told = `${ruleOfType.get(type)}: ${JSON.stringify(printable(variant.value))} (${variant.what})`;
      const isDescribed = cddlTakes(type, variant.value);
      const isTaken = codecTakes(type, encode(variant.value));
      // That an entry makes sense is more than CDDL can say: sums of sizes, ascending vectors.
      const isSubtle = type === FrameType.indexEntries && variant.what.endsWith('replaced');
      expect(isTaken, told).toBe(isSubtle ? isDescribed && isTaken : isDescribed);
    }
    expect(changed).toBeGreaterThan(3);
  });
});

interface Variant {
  readonly what: string;
  readonly value: unknown;
}

/** A value of every kind, none of which is right for more than a few fields. */
const STRANGERS: readonly unknown[] = [
  null,
  true,
  -1,
  99_999_999,
  '',
  '\u0007',
  'x'.repeat(5_000),
  new Uint8Array(0),
  // Whole hashes and whole chunks, and too long for everything else.
  new Uint8Array(288),
  [],
  [null],
  new Map(),
];

/** The value with one thing in it changed: a member gone, one more, or something of another kind in its place. */
function* variantsOf(value: unknown, path = ''): Generator<Variant> {
  if (value instanceof Map) {
    for (const [key, member] of value) {
      const at = `${path}/${String(key)}`;
      yield { what: `without ${at}`, value: new Map([...value].filter(([each]) => each !== key)) };
      for (const inner of replacementsOf(member, at))
        yield { what: inner.what, value: new Map(value).set(key, inner.value) };
    }
    yield { what: `more in ${path}`, value: new Map(value).set(0xee, 'grease') };
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const inner of replacementsOf(item, `${path}[${i}]`))
        yield { what: inner.what, value: value.with(i, inner.value) };
    }
    if (value.length > 0) yield { what: `shorter ${path}`, value: value.slice(0, -1) };
  } else if (value instanceof Uint8Array && isMap(value)) {
    for (const inner of variantsOf(decodeValue(value), path))
      yield { what: inner.what, value: encode(inner.value) };
  }
}

/** An entry stands in its frame as bytes. */
function isMap(bytes: Uint8Array): boolean {
  return bytes.length > 8 && (bytes[0] ?? 0) >> 5 === 5;
}

function* replacementsOf(value: unknown, path: string): Generator<Variant> {
  for (const stranger of STRANGERS) yield { what: `${path} replaced`, value: stranger };
  yield* variantsOf(value, path);
}

function printable(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, member]) => [key, printable(member)]);
  if (value instanceof Uint8Array) return `h'${value.length} bytes'`;
  return Array.isArray(value) ? value.map(printable) : String(value).slice(0, 40);
}
