/**
 * Compiles a message at one version into straight-line code: all version tests are settled here, none is left where
 * requests are handled. This is the only file that makes code from strings (see test/tidy.test.ts), and it is fed by our
 * own schemas alone, never by anything that came from outside. `emit` is separate so that the code can be looked at.
 */
import { covers, type AnyMessage, type AnyType, type Message } from './schema.ts';
import type { Reader, Writer } from './wire.ts';

export interface Codec<R, W = R> {
  readonly read: (reader: Reader) => R;
  readonly write: (writer: Writer, value: W) => void;
}

const codecs = new WeakMap<AnyMessage, Codec<unknown>[]>();

/** The codec of a message at a version, compiled on first use. The version must be one that the message has. */
export function codec<R, W>(message: Message<R, W>, version: number): Codec<R, W> {
  let versions = codecs.get(message);
  if (versions === undefined) codecs.set(message, (versions = []));
  return (versions[version] ??= compile(message, version) as Codec<unknown>) as unknown as Codec<R, W>;
}

function compile(message: AnyMessage, version: number): Codec<unknown> {
  if (!covers(message.versions, version)) throw new RangeError(`${message.name} has no version ${version}`);
  const { source, constants } = emit(message, version);
  const end = `return { read: read0, write: write0 };\n//# sourceURL=kafka/${message.name}.v${version}.js`;
  // eslint-disable-next-line typescript/no-implied-eval
  return new Function('z', 'differs', `'use strict';\n${source}\n${end}`)(
    constants,
    differs,
  ) as Codec<unknown>;
}

/** True when a tagged field's value is not its default and so has to be written. */
function differs(value: unknown, zero: unknown): boolean {
  if (value === zero || value === undefined) return false;
  if (value === null || zero === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.length > 0;
  if (Buffer.isBuffer(value)) return value.length > 0;
  for (const [name, member] of Object.entries(value)) {
    if (differs(member, (zero as Record<string, unknown>)[name])) return true;
  }
  return false;
}

/** The JavaScript that `codec` runs: a read and a write function for each struct and array; 0 is the root. */
export function emit(message: AnyMessage, version: number): { source: string; constants: unknown[] } {
  const flexible = covers(message.flexible, version);
  const functions: string[] = [];
  const constants: unknown[] = [];
  const ids = new Map<AnyType, number>();

  const isTagged = (t: AnyType): boolean => t.tag !== undefined && covers(t.taggedSince ?? '0+', version);
  const isHere = (t: AnyType): boolean => covers(t.since ?? '0+', version) && (flexible || !isTagged(t));
  const isNullable = (t: AnyType): boolean => t.nullable !== undefined && covers(t.nullable, version);
  const literal = (v: unknown): string =>
    v === null || typeof v !== 'object' ? JSON.stringify(v) : `z[${constants.push(v) - 1}]`;

  /** The Reader's and Writer's method for a type at this version, for example `compactNullableString`. */
  function method(t: AnyType): string {
    const sized = ['string', 'bytes', 'records', 'recordsVector', 'array'].includes(t.kind);
    const words = [
      flexible && sized && !t.plain ? 'compact' : '',
      sized && isNullable(t) ? 'nullable' : '',
      t.kind,
    ];
    const [first, ...rest] = words.filter((word) => word !== '');
    return first + rest.map((word) => word[0].toUpperCase() + word.slice(1)).join('');
  }

  /** The fewest bytes that a value of this type takes at this version. */
  function sizeMin(t: AnyType): number {
    switch (t.kind) {
      case 'bool':
      case 'int8':
        return 1;
      case 'int16':
      case 'uint16':
        return 2;
      case 'int32':
      case 'uint32':
        return 4;
      case 'int64':
      case 'float64':
        return 8;
      case 'uuid':
        return 16;
      case 'string':
        return flexible && !t.plain ? 1 : 2;
      case 'struct': {
        if (isNullable(t)) return 1;
        let size = flexible ? 1 : 0;
        for (const type of Object.values(t.fields!))
          if (isHere(type) && !isTagged(type)) size += sizeMin(type);
        return size;
      }
      default:
        return flexible ? 1 : 4;
    }
  }

  function read(t: AnyType): string {
    if (t.kind !== 'struct' && t.kind !== 'array') return `r.${method(t)}()`;
    if (t.kind === 'array' || !isNullable(t)) return `read${define(t)}(r)`;
    // A struct that may be null has a mark before it: an int8 below 0 for null, or when tagged a varint of 0.
    return `r.${isTagged(t) ? 'uvarint() < 1' : 'int8() < 0'} ? null : read${define(t)}(r)`;
  }

  function write(t: AnyType, value: string): string {
    if (t.kind !== 'struct' && t.kind !== 'array') return `w.${method(t)}(${value});`;
    const call = `write${define(t)}(w, ${value});`;
    if (t.kind === 'array' || !isNullable(t)) return call;
    const [absent, present] = isTagged(t) ? ['w.uvarint(0)', 'w.uvarint(1)'] : ['w.int8(-1)', 'w.int8(1)'];
    return `if (${value} === null) ${absent}; else { ${present}; ${call} }`;
  }

  function define(t: AnyType): number {
    const known = ids.get(t);
    if (known !== undefined) return known;
    const id = functions.push('') - 1; // take a number before the members take theirs
    ids.set(t, id);
    functions[id] = t.kind === 'array' ? arrayPair(id, t) : structPair(id, t);
    return id;
  }

  function arrayPair(id: number, t: AnyType): string {
    const of = t.of!;
    return `
function read${id}(r) {
  const n = r.${method(t)}Length(${Math.max(1, sizeMin(of))});
  if (n < 0) return null;
  const a = [];
  for (let i = 0; i < n; i++) a.push(${read(of)});
  return a;
}
function write${id}(w, a) {
  w.${method(t)}Length(a);
  if (a === null) return;
  for (let i = 0; i < a.length; i++) { const e = a[i]; ${write(of, 'e')} }
}`;
  }

  function structPair(id: number, t: AnyType): string {
    const fields = Object.entries(t.fields!).map(([name, type]) => ({ name, type }));
    const inPlace = fields.filter(({ type }) => isHere(type) && !isTagged(type));
    const tags = fields.filter(({ type }) => isHere(type) && isTagged(type));
    tags.sort((a, b) => a.type.tag! - b.type.tag!);
    const members = fields.map(
      ({ name, type }) =>
        `${name}: ${inPlace.some((f) => f.name === name) ? read(type) : literal(type.zero)}`,
    );
    const cases = tags
      .map(({ name, type }) => `case ${type.tag}: o.${name} = ${read(type)}; r.endTag(end); break;`)
      .join(' ');
    const body = inPlace.map(({ name, type }) => {
      if (!type.defaulted) return write(type, `o.${name}`);
      const local = `v_${name}`;
      return `const ${local} = o.${name} === undefined ? ${literal(type.zero)} : o.${name}; ${write(type, local)}`;
    });
    const readTags = !flexible
      ? ''
      : tags.length === 0
        ? 'r.skipTags();'
        : `
  for (let n = r.tagCount(); n > 0; n--) {
    const tag = r.uvarint(), end = r.tagEnd();
    switch (tag) { ${cases} default: r.pos = end; }
  }`;
    const set = tags.map(({ name, type }) => `const s_${name} = differs(o.${name}, ${literal(type.zero)});`);
    const count = tags.length === 0 ? '0' : tags.map(({ name }) => `(s_${name} ? 1 : 0)`).join(' + ');
    const writeTags = !flexible
      ? ''
      : `
  ${set.join('\n  ')}
  w.uvarint(${count});
  ${tags
    .map(
      ({ name, type }) =>
        `if (s_${name}) { const mark = w.openTag(${type.tag}); ${write(type, `o.${name}`)} w.closeTag(mark); }`,
    )
    .join('\n  ')}`;
    return `
function read${id}(r) {
  const o = { ${members.join(', ')} };
  ${readTags}
  return o;
}
function write${id}(w, o) {
  ${body.join('\n  ')}${writeTags}
}`;
  }

  define(message);
  return { source: functions.join('\n'), constants };
}
