import { decode } from 'cborg';
import type { CddlEntry, CddlType } from './cddl-syntax.fixture.js';

export type CddlRules = ReadonlyMap<string, CddlType>;

export interface MatchOptions {
  /** Members that a map takes without naming them (`* n..255 => any`) are refused. Default false. */
  readonly closed?: boolean;
}

const DECODING = { useMaps: true, strict: true } as const;

const BASIC: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: () => true,
  uint: (value) => isInteger(value) && value >= 0,
  int: isInteger,
  bool: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  tstr: (value) => typeof value === 'string',
  bstr: (value) => value instanceof Uint8Array,
};

/** Whether a value, as cborg decodes it with maps, is what the rule describes. Throws for a rule that makes no sense. */
export function matchesCddl(
  rules: CddlRules,
  rule: string,
  value: unknown,
  options: MatchOptions = {},
): boolean {
  return new Matcher(rules, options.closed ?? false).type({ is: 'name', name: rule }, value);
}

class Matcher {
  constructor(
    private readonly rules: CddlRules,
    private readonly closed: boolean,
  ) {}

  type(type: CddlType, value: unknown): boolean {
    switch (type.is) {
      case 'name': {
        const rule = this.rules.get(type.name);
        if (rule !== undefined) return this.type(rule, value);
        const basic = BASIC[type.name];
        if (basic === undefined) throw new Error(`CDDL: there is no rule ${type.name}`);
        return basic(value);
      }
      case 'number':
      case 'text':
        return value === type.value;
      case 'range':
        return isInteger(value) && value >= type.from && value <= type.to;
      case 'choice':
        return type.of.some((each) => this.type(each, value));
      case 'array':
        return Array.isArray(value) && this.items(this.flat(type.entries), value, 0, 0, 0);
      case 'map':
        return value instanceof Map && this.members(this.flat(type.entries), value);
      case 'control':
        return this.type(type.type, value) && this.control(type.name, type.argument, value);
      case 'group':
        throw new Error('CDDL: a group stands in an array or a map');
    }
  }

  private control(name: string, argument: CddlType, value: unknown): boolean {
    switch (name) {
      case 'size': {
        const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
        return bytes instanceof Uint8Array && this.type(argument, bytes.length);
      }
      case 'regexp':
        if (argument.is !== 'text') break;
        return typeof value === 'string' && new RegExp(`^(?:${argument.value})$`, 'u').test(value);
      case 'cbor':
        return value instanceof Uint8Array && this.type(argument, tryDecode(value));
    }
    throw new Error(`CDDL: no control .${name} of this kind is known`);
  }

  /** A name or parentheses that stand for a group, occurring once, are what is in them. */
  private flat(entries: readonly CddlEntry[]): readonly CddlEntry[] {
    return entries.flatMap((entry) => {
      const group = entry.key === undefined && entry.min === 1 && entry.max === 1 && this.groupOf(entry.type);
      return group ? this.flat(group) : [entry];
    });
  }

  private groupOf(type: CddlType): readonly CddlEntry[] | undefined {
    const meant = type.is === 'name' ? this.rules.get(type.name) : type;
    return meant?.is === 'group' ? meant.entries : undefined;
  }

  /** Whether entries from `at` on, of which the first has come `count` times, match the items from `from` on. */
  private items(
    entries: readonly CddlEntry[],
    values: readonly unknown[],
    at: number,
    from: number,
    count: number,
  ): boolean {
    const entry = entries[at];
    if (entry === undefined) return from === values.length;
    const group = this.groupOf(entry.type);
    const width = group === undefined ? 1 : this.flat(group).length;
    const next = values.slice(from, from + width);
    const fits =
      next.length === width &&
      (group === undefined ? this.type(entry.type, next[0]) : this.items(this.flat(group), next, 0, 0, 0));
    // As many as there are: nothing here needs to be tried with fewer.
    if (fits && count < entry.max) return this.items(entries, values, at, from + width, count + 1);
    return count >= entry.min && this.items(entries, values, at + 1, from, 0);
  }

  private members(entries: readonly CddlEntry[], map: ReadonlyMap<unknown, unknown>): boolean {
    const rest = new Map(map);
    for (const entry of entries) {
      const group = this.groupOf(entry.type);
      const parts = group === undefined ? [entry] : this.flat(group);
      const isThere = parts.every((part) => this.takes(part, map));
      // A member that has one of these keys, and is not as it should be, is not something else.
      const isWrong = !isThere && parts.some((part) => isNamed(part) && map.has(keyOf(part)));
      if (isWrong || (!isThere && entry.min > 0)) return false;
      if (isThere) for (const part of parts) for (const key of this.keysOf(part, map)) rest.delete(key);
    }
    return rest.size === 0;
  }

  private takes(part: CddlEntry, map: ReadonlyMap<unknown, unknown>): boolean {
    const keys = this.keysOf(part, map);
    const isEnough = isNamed(part) ? keys.length === 1 : true;
    return isEnough && keys.every((key) => this.type(part.type, map.get(key)));
  }

  private keysOf(part: CddlEntry, map: ReadonlyMap<unknown, unknown>): readonly unknown[] {
    const { key } = part;
    if (key === undefined) throw new Error('CDDL: a member of a map has a key');
    if (!isNamed(part) && this.closed) return [];
    return [...map.keys()].filter((each) => this.type(key, each));
  }
}

function isNamed({ key }: CddlEntry): boolean {
  return key?.is === 'number';
}

function keyOf({ key }: CddlEntry): number | undefined {
  return key?.is === 'number' ? key.value : undefined;
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

function tryDecode(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, DECODING);
  } catch {
    return undefined;
  }
}
