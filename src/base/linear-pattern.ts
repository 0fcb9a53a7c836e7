/**
 * Regular expressions from outside, matched in time linear in the text (Thompson 1968): the engine of the language goes
 * back and tries again, for hours on a pattern that is made for it, while everybody else waits. Known are literals, `.`,
 * classes, groups, `|`, `* + ? {m,n}` (greedy or not: for a match of the whole text it makes no difference), `^`, `$` and
 * the usual escapes; what would need going back (references, lookaround) is refused.
 */

/** Instructions of a compiled pattern; a counted repetition is as many as it counts. */
export const INSTRUCTIONS_MAX = 5_000;
const REPETITIONS_MAX = 1_000;
const NESTING_MAX = 200;

export class PatternError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PatternError';
  }
}

type Test = (code: number) => boolean;

type Node =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'start' | 'end' | 'empty' }
  | { readonly kind: 'sequence' | 'choice'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number };

type Instruction =
  | { readonly op: 'one'; readonly test: Test }
  | { readonly op: 'start' | 'end' | 'match' }
  | { readonly op: 'split'; a: number; b: number };

const NEWLINES: ReadonlySet<number> = new Set([0x0a, 0x0d, 0x85, 0x2028, 0x2029]);
const isDigit: Test = (code) => code >= 0x30 && code <= 0x39;
const isWord: Test = (code) =>
  isDigit(code) || code === 0x5f || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a && code < 0x80);
const isSpace: Test = (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d);
const CLASSES: Readonly<Record<string, Test>> = { d: isDigit, w: isWord, s: isSpace };
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, a: 7, e: 27 };

/** A test of whole texts against a pattern. Errors: PatternError. */
export function linearPattern(pattern: string): (text: string) => boolean {
  const program: Instruction[] = [];
  emit(new Parser(pattern).parse(), program);
  add(program, { op: 'match' });
  return (text) => run(program, text);
}

class Parser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#chars = Array.from(pattern);
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#chars.length) throw new PatternError(`unmatched ) at ${this.#at}`);
    return node;
  }

  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#take('|')) nodes.push(this.#sequence());
    return nodes.length === 1 ? nodes[0] : { kind: 'choice', nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#chars.length && this.#peek() !== '|' && this.#peek() !== ')')
      nodes.push(this.#repeated());
    return nodes.length === 0 ? { kind: 'empty' } : { kind: 'sequence', nodes };
  }

  #repeated(): Node {
    let node = this.#atom();
    for (;;) {
      const range = this.#range();
      if (range === undefined) return node;
      node = { kind: 'repeat', node, ...range };
      // Lazy ones match the same whole texts; possessive ones do not.
      if (!this.#take('?') && this.#peek() === '+')
        throw new PatternError(`possessive quantifier at ${this.#at}`);
    }
  }

  #range(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const text = this.#chars.slice(this.#at, this.#at + 12).join('');
    const found = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(text);
    if (found === null) throw new PatternError(`bad repetition at ${this.#at}`);
    this.#at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === '' ? min : found[3] === '' ? Infinity : Number(found[3]);
    const isSound = min <= max && min <= REPETITIONS_MAX && (max === Infinity || max <= REPETITIONS_MAX);
    if (!isSound) throw new PatternError(`bad repetition ${found[0]}`);
    return { min, max };
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'one', test: this.#class() };
      case '.':
        return { kind: 'one', test: (code) => !NEWLINES.has(code) };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '\\':
        return { kind: 'one', test: testOf(this.#escape()) };
      case '*':
      case '+':
      case '?':
      case '{':
        throw new PatternError(`nothing to repeat at ${this.#at - 1}`);
      default:
        return { kind: 'one', test: testOf(char.codePointAt(0)!) };
    }
  }

  #group(): Node {
    if (++this.#depth > NESTING_MAX) throw new PatternError('too many groups in groups');
    if (this.#take('?') && !this.#take(':')) throw new PatternError(`unsupported group at ${this.#at}`);
    const node = this.#choice();
    if (!this.#take(')')) throw new PatternError('unclosed group');
    this.#depth -= 1;
    return node;
  }

  #class(): Test {
    const isNegated = this.#take('^');
    const tests: Test[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      const from = this.#member();
      const isRange = this.#peek() === '-' && this.#chars[this.#at + 1] !== ']';
      if (!isRange) {
        tests.push(testOf(from));
        continue;
      }
      this.#at += 1;
      const to = this.#member();
      if (typeof from !== 'number' || typeof to !== 'number' || from > to) {
        throw new PatternError(`bad range in a class at ${this.#at}`);
      }
      tests.push((code) => code >= from && code <= to);
    }
    this.#at += 1;
    return (code) => tests.some((test) => test(code)) !== isNegated;
  }

  #member(): number | Test {
    const char = this.#next();
    if (char === '[' || char === '&')
      throw new PatternError(`classes in classes are not supported (${this.#at})`);
    return char === '\\' ? this.#escape() : char.codePointAt(0)!;
  }

  #escape(): number | Test {
    const char = this.#next();
    const test = CLASSES[char.toLowerCase()];
    if (test !== undefined) return char === char.toLowerCase() ? test : (code) => !test(code);
    if (CONTROLS[char] !== undefined) return CONTROLS[char];
    if (/[a-zA-Z0-9]/.test(char)) throw new PatternError(`unsupported escape \\${char}`);
    return char.codePointAt(0)!;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new PatternError('the pattern ends too early');
    return char;
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }
}

function testOf(member: number | Test): Test {
  return typeof member === 'number' ? (code) => code === member : member;
}

function add(program: Instruction[], instruction: Instruction): number {
  if (program.length >= INSTRUCTIONS_MAX) throw new PatternError('the pattern is too large');
  return program.push(instruction) - 1;
}

function emit(node: Node, program: Instruction[]): void {
  switch (node.kind) {
    case 'empty':
      return;
    case 'one':
      add(program, { op: 'one', test: node.test });
      return;
    case 'sequence':
      for (const one of node.nodes) emit(one, program);
      return;
    case 'choice':
      emitChoice(node.nodes, program);
      return;
    case 'repeat':
      emitRepeat(node, program);
      return;
    default:
      add(program, { op: node.kind });
  }
}

function emitChoice(nodes: readonly Node[], program: Instruction[]): void {
  const ends: number[] = [];
  for (const [index, node] of nodes.entries()) {
    const isLast = index === nodes.length - 1;
    const split = isLast ? -1 : add(program, { op: 'split', a: program.length + 1, b: 0 });
    emit(node, program);
    if (isLast) break;
    ends.push(add(program, { op: 'split', a: 0, b: 0 }));
    link(program, split, program[split] as { a: number }, program.length);
  }
  for (const end of ends) program[end] = { op: 'split', a: program.length, b: program.length };
}

function link(program: Instruction[], at: number, { a }: { readonly a: number }, b: number): void {
  program[at] = { op: 'split', a, b };
}

function emitRepeat({ node, min, max }: Node & { readonly kind: 'repeat' }, program: Instruction[]): void {
  for (let count = 0; count < min; count++) emit(node, program);
  if (max === Infinity) {
    const split = add(program, { op: 'split', a: program.length + 1, b: 0 });
    emit(node, program);
    add(program, { op: 'split', a: split, b: split });
    link(program, split, { a: split + 1 }, program.length);
    return;
  }
  const splits: number[] = [];
  for (let count = min; count < max; count++) {
    splits.push(add(program, { op: 'split', a: program.length + 1, b: 0 }));
    emit(node, program);
  }
  for (const split of splits) link(program, split, { a: split + 1 }, program.length);
}

/** All ways at once: a set of places in the program for each place in the text. */
function run(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, (char) => char.codePointAt(0)!);
  let places = follow(program, [0], { isStart: true, isEnd: codes.length === 0 });
  for (const [index, code] of codes.entries()) {
    const next: number[] = [];
    for (const place of places) {
      const instruction = program[place];
      if (instruction.op === 'one' && instruction.test(code)) next.push(place + 1);
    }
    if (next.length === 0) return false;
    places = follow(program, next, { isStart: false, isEnd: index === codes.length - 1 });
  }
  return places.has(program.length - 1);
}

/** Everywhere that can be reached without reading on. */
function follow(
  program: readonly Instruction[],
  from: number[],
  { isStart, isEnd }: { readonly isStart: boolean; readonly isEnd: boolean },
): Set<number> {
  const places = new Set<number>();
  while (from.length > 0) {
    const place = from.pop()!;
    if (places.has(place)) continue;
    places.add(place);
    const instruction = program[place];
    if (instruction.op === 'split') from.push(instruction.a, instruction.b);
    else if ((instruction.op === 'start' && isStart) || (instruction.op === 'end' && isEnd))
      from.push(place + 1);
  }
  return places;
}
