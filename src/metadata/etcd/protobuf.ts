/**
 * Protocol Buffers, as far as etcd's messages need them: a message is a table of fields, and one pair of functions encodes
 * and decodes by the table. Fields that are not in it are skipped. Whole numbers are JavaScript's, so a value beyond 2^53
 * is refused; lengths are checked against the bytes that are there; what cannot be read is a ProtobufError.
 *
 * As in proto3, a field that has its default (0, false, '', no bytes, no elements) is not written. One that is undefined is
 * not written either, and a `oneof` member or a message that is present but empty is.
 */

/** Bytes that are not what the message's table says. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtobufError';
  }
}

/** `presentInt` is a member of a oneof: written even when it is 0. */
type Scalar = 'int' | 'bool' | 'bytes' | 'string' | 'presentInt';
type FieldKind = Scalar | Message<Fields>;
export interface Field {
  readonly number: number;
  readonly kind: FieldKind;
  readonly isRepeated?: boolean;
}
export type Fields = Readonly<Record<string, Field>>;

export interface Message<F extends Fields> {
  readonly fields: F;
  readonly byNumber: ReadonlyMap<number, readonly [name: string, field: Field]>;
}

type ValueOfKind<K extends FieldKind> = K extends 'int' | 'presentInt'
  ? number
  : K extends 'bool'
    ? boolean
    : K extends 'bytes'
      ? Buffer
      : K extends 'string'
        ? string
        : K extends Message<infer F>
          ? ValueOf<F>
          : never;
type ValueOfField<F extends Field> = F extends { isRepeated: true }
  ? readonly ValueOfKind<F['kind']>[]
  : ValueOfKind<F['kind']>;
/** A message's value. Decoded, all but sub-messages and `presentInt` are there, with their defaults. */
export type ValueOf<F extends Fields> = { readonly [K in keyof F]?: ValueOfField<F[K]> | undefined };
export type Value<M> = M extends Message<infer F> ? ValueOf<F> : never;
/** As decoded: what has a default is never undefined. */
export type Decoded<M> =
  M extends Message<infer F>
    ? {
        readonly [K in keyof F]: F[K] extends { isRepeated: true }
          ? readonly DecodedKind<F[K]['kind']>[]
          : F[K]['kind'] extends Message<Fields> | 'presentInt'
            ? DecodedKind<F[K]['kind']> | undefined
            : DecodedKind<F[K]['kind']>;
      }
    : never;
type DecodedKind<K extends FieldKind> = K extends Message<Fields> ? Decoded<K> : ValueOfKind<K>;

export function message<const F extends Fields>(fields: F): Message<F> {
  const byNumber = new Map(
    Object.entries(fields).map(([name, field]) => [field.number, [name, field]] as const),
  );
  return { fields, byNumber };
}

/** Shorthands for tables. */
export const field = <const K extends FieldKind>(number: number, kind: K) => ({ number, kind }) as const;
export const repeated = <const K extends FieldKind>(number: number, kind: K) =>
  ({ number, kind, isRepeated: true }) as const;

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;
const VARINT_BYTES_MAX = 10;
const TWO_32 = 2 ** 32;
/** Messages within messages. */
const DEPTH_MAX = 16;
/** Elements of one repeated field: two bytes may stand for an element, and an object is far larger. */
const ELEMENTS_MAX = 200_000;

type AnyValue = Readonly<Record<string, unknown>>;
type AnyMessage = Message<Fields>;

export function encode<F extends Fields>(type: Message<F>, value: ValueOf<F>): Buffer {
  return encodeMessage(type, value);
}

function encodeMessage(type: AnyMessage, value: AnyValue): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, one] of Object.entries(type.fields)) {
    const held = value[name];
    if (held === undefined) continue;
    if (one.isRepeated !== true) encodeField(parts, one, held);
    else for (const element of held as readonly unknown[]) encodeField(parts, one, element, true);
  }
  return Buffer.concat(parts);
}

function encodeField(parts: Uint8Array[], { number, kind }: Field, value: unknown, isElement = false): void {
  if (kind === 'int' || kind === 'bool' || kind === 'presentInt') {
    const whole = Number(value);
    if (whole === 0 && kind !== 'presentInt' && !isElement) return;
    parts.push(varint(number * 8 + VARINT), varint(whole));
    return;
  }
  const bytes = delimited(kind, value);
  if (bytes.length === 0 && typeof kind === 'string' && !isElement) return;
  parts.push(varint(number * 8 + DELIMITED), varint(bytes.length), bytes);
}

function delimited(kind: 'bytes' | 'string' | AnyMessage, value: unknown): Uint8Array {
  if (kind === 'bytes') return value as Uint8Array;
  return kind === 'string' ? Buffer.from(value as string) : encodeMessage(kind, value as AnyValue);
}

/** Negative numbers as two's complement in 64 bits. */
function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new ProtobufError(`${value} is not a whole number below 2^53`);
  let high = Math.floor(value / TWO_32) >>> 0;
  let low = value >>> 0;
  const bytes: number[] = [];
  while (high !== 0 || low > 0x7f) {
    bytes.push((low & 0x7f) | 0x80);
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes.push(low);
  return Uint8Array.from(bytes);
}

/** Byte fields of the result are views of `buffer`. */
export function decode<F extends Fields>(type: Message<F>, buffer: Buffer): Decoded<Message<F>> {
  return decodeMessage(type, new Source(buffer), 0) as Decoded<Message<F>>;
}

function decodeMessage(type: AnyMessage, source: Source, depth: number): AnyValue {
  if (depth > DEPTH_MAX) throw new ProtobufError('messages within messages, too many of them');
  const value = defaultsOf(type);
  while (!source.isAtEnd) {
    const tag = source.whole();
    const known = type.byNumber.get(Math.floor(tag / 8));
    const wireType = tag % 8;
    if (known === undefined) {
      source.skip(wireType);
      continue;
    }
    const [name, one] = known;
    const read = decodeField(one.kind, wireType, source, depth);
    if (one.isRepeated === true) addElement(value[name] as unknown[], read);
    else value[name] = read;
  }
  return value;
}

function addElement(elements: unknown[], element: unknown): void {
  if (elements.length === ELEMENTS_MAX) throw new ProtobufError(`more than ${ELEMENTS_MAX} elements`);
  elements.push(element);
}

function decodeField(kind: FieldKind, wireType: number, source: Source, depth: number): unknown {
  const wanted = kind === 'int' || kind === 'bool' || kind === 'presentInt' ? VARINT : DELIMITED;
  if (wireType !== wanted) throw new ProtobufError(`wire type ${wireType} where ${wanted} belongs`);
  switch (kind) {
    case 'int':
    case 'presentInt':
      return source.whole();
    case 'bool':
      return source.whole() !== 0;
    case 'bytes':
      return source.bytes();
    case 'string':
      return source.bytes().toString();
    default:
      return decodeMessage(kind, new Source(source.bytes()), depth + 1);
  }
}

function defaultsOf(type: AnyMessage): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, { kind, isRepeated }] of Object.entries(type.fields)) {
    if (isRepeated === true) value[name] = [];
    else if (kind === 'int') value[name] = 0;
    else if (kind === 'bool') value[name] = false;
    else if (kind === 'bytes') value[name] = Buffer.alloc(0);
    else if (kind === 'string') value[name] = '';
    else value[name] = undefined;
  }
  return value;
}

class Source {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#buffer.length;
  }

  /** A varint as a signed 64-bit number. */
  whole(): number {
    let low = 0;
    let high = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      const byte = this.#buffer[this.#take(1)]!;
      const bits = byte & 0x7f;
      const shift = index * 7;
      if (shift < 32) low = (low | (bits << shift)) >>> 0;
      if (shift > 25) high = (high | (shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32))) >>> 0;
      if (byte > 0x7f) continue;
      const value = (high | 0) * TWO_32 + low;
      if (!Number.isSafeInteger(value)) throw new ProtobufError('a number beyond 2^53');
      return value;
    }
    throw new ProtobufError('a number of more than ten bytes');
  }

  bytes(): Buffer {
    const length = this.whole();
    if (length < 0) throw new ProtobufError('a negative length');
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  skip(wireType: number): void {
    if (wireType === VARINT) {
      for (let index = 0; index < VARINT_BYTES_MAX; index++) if (this.#buffer[this.#take(1)]! <= 0x7f) return;
      throw new ProtobufError('a number of more than ten bytes');
    }
    if (wireType === FIXED_64) this.#take(8);
    else if (wireType === FIXED_32) this.#take(4);
    else if (wireType === DELIMITED) this.bytes();
    else throw new ProtobufError(`there is no wire type ${wireType}`);
  }

  #take(size: number): number {
    const at = this.#position;
    if (size > this.#buffer.length - at)
      throw new ProtobufError(`${size} bytes wanted, ${this.#buffer.length - at} remain`);
    this.#position = at + size;
    return at;
  }
}
