/** The part of CDDL (RFC 8610) that docs/frames.cddl is written in, as a tree. */

export type CddlType =
  | { readonly is: 'name'; readonly name: string }
  | { readonly is: 'number'; readonly value: number }
  | { readonly is: 'text'; readonly value: string }
  | { readonly is: 'range'; readonly from: number; readonly to: number }
  | { readonly is: 'choice'; readonly of: readonly CddlType[] }
  | { readonly is: 'array' | 'map' | 'group'; readonly entries: readonly CddlEntry[] }
  | { readonly is: 'control'; readonly type: CddlType; readonly name: string; readonly argument: CddlType };

export interface CddlEntry {
  readonly min: number;
  readonly max: number;
  /** Of a member of a map. */
  readonly key: CddlType | undefined;
  readonly type: CddlType;
}

const TOKEN =
  /\s+|;[^\n]*|(?<number>0x[0-9a-fA-F]+|\d+)|(?<text>"(?:[^"\\]|\\.)*")|(?<name>[A-Za-z][A-Za-z0-9-]*)|(?<control>\.[a-z]+)|(?<mark>\.\.|=>|[=/{}[\](),:?*])/y;

type Kind = 'number' | 'text' | 'name' | 'control' | 'mark' | 'end';

interface Token {
  readonly kind: Kind;
  readonly text: string;
}

/** The rules by their names. Throws for whatever it does not know. */
export function parseCddl(text: string): ReadonlyMap<string, CddlType> {
  return new Parser(tokensOf(text)).rules();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`CDDL: what is this? ${text.slice(at, at + 40)}`);
    for (const [kind, value] of Object.entries(match.groups ?? {}))
      if (value !== undefined) tokens.push({ kind: kind as Kind, text: value });
  }
  return tokens;
}

const CLOSING = { '[': ']', '{': '}', '(': ')' } as const;
const SHAPE = { '[': 'array', '{': 'map', '(': 'group' } as const;

class Parser {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  rules(): Map<string, CddlType> {
    const rules = new Map<string, CddlType>();
    while (this.peek().kind !== 'end') {
      const name = this.take('name').text;
      this.expect('=');
      if (rules.has(name)) throw new Error(`CDDL: ${name} is defined twice`);
      rules.set(name, this.type());
    }
    return rules;
  }

  private type(): CddlType {
    const choices = [this.controlled()];
    while (this.accept('/')) choices.push(this.controlled());
    const [only] = choices;
    return choices.length === 1 && only !== undefined ? only : { is: 'choice', of: choices };
  }

  private controlled(): CddlType {
    const type = this.single();
    const control = this.peek();
    if (control.kind !== 'control') return type;
    this.at++;
    return { is: 'control', type, name: control.text.slice(1), argument: this.single() };
  }

  private single(): CddlType {
    const { kind, text } = this.peek();
    if (text === '[' || text === '{' || text === '(') return this.entries(text);
    this.at++;
    if (kind === 'name') return { is: 'name', name: text };
    if (kind === 'text') return { is: 'text', value: JSON.parse(text) as string };
    if (kind !== 'number') throw new Error(`CDDL: no type begins with ${text}`);
    if (!this.accept('..')) return { is: 'number', value: Number(text) };
    return { is: 'range', from: Number(text), to: Number(this.take('number').text) };
  }

  private entries(opening: keyof typeof CLOSING): CddlType {
    this.expect(opening);
    const entries: CddlEntry[] = [];
    while (!this.accept(CLOSING[opening])) {
      entries.push(this.entry());
      this.accept(',');
    }
    // What stands in parentheses alone is that type.
    const [only] = entries;
    const isPlain = entries.length === 1 && only?.key === undefined && only?.min === 1 && only.max === 1;
    return opening === '(' && isPlain && only !== undefined ? only.type : { is: SHAPE[opening], entries };
  }

  private entry(): CddlEntry {
    const { min, max } = this.occurrence();
    const type = this.type();
    if (this.accept(':') || this.accept('=>')) return { min, max, key: type, type: this.type() };
    return { min, max, key: undefined, type };
  }

  private occurrence(): { readonly min: number; readonly max: number } {
    if (this.accept('?')) return { min: 0, max: 1 };
    if (this.accept('*')) return { min: 0, max: Number.POSITIVE_INFINITY };
    const isCounted = this.peek().kind === 'number' && this.peek(1).text === '*';
    if (!isCounted) return { min: 1, max: 1 };
    const min = Number(this.take('number').text);
    this.expect('*');
    return {
      min,
      max: this.peek().kind === 'number' ? Number(this.take('number').text) : Number.POSITIVE_INFINITY,
    };
  }

  private peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? { kind: 'end', text: '' };
  }

  private take(kind: Kind): Token {
    const token = this.peek();
    if (token.kind !== kind) throw new Error(`CDDL: ${token.text} where a ${kind} should be`);
    this.at++;
    return token;
  }

  private accept(text: string): boolean {
    if (this.peek().text !== text || this.peek().kind === 'text') return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) throw new Error(`CDDL: ${this.peek().text} where ${text} should be`);
  }
}
