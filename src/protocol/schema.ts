/**
 * The language in which messages are declared. A message is a TypeScript value whose type gives the types of what is
 * read and written; each field says in which versions it exists. `compile.ts` turns one message at one version into code.
 * The rules are those of KIP-482 (flexible versions, tagged fields) and of Kafka's own message definitions.
 */
import type { RecordsPart } from './wire.ts';

/** Versions, inclusive, as Kafka writes them. */
export type Range = `${number}+` | `${number}-${number}` | `${number}`;

/**
 * A wire type. `R` is what decoding yields: every field present. `W` is what encoding takes: fields with a default of
 * their own, and tagged fields, may be left out. `zero` is the default value, the one of a field absent in a version.
 */
export interface Type<R, W = R> {
  readonly kind: Kind;
  readonly zero: R;
  /** Never set: carries `W` for the type checker. */
  readonly init?: W;
  /** array: the element. */
  readonly of?: AnyType;
  /** struct: the members in wire order. */
  readonly fields?: Fields;
  /** Versions that carry the field; absent means every version. */
  readonly since?: Range;
  /** Versions in which null is legal. */
  readonly nullable?: Range;
  /** Tagged field (KIP-482): its number, and the versions in which it is tagged rather than in its place. */
  readonly tag?: number;
  readonly taggedSince?: Range;
  /** The field keeps the non-compact encoding in flexible versions (only the request header's client id). */
  readonly plain?: boolean;
  /** The field has a default of its own, so a writer may leave it out. */
  readonly defaulted?: boolean;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyType = Type<any, any>;
export type Fields = Readonly<Record<string, AnyType>>;
export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records'
  | 'recordsVector'
  | 'array'
  | 'struct';

/** The type that decoding a message yields. */
export type Read<T extends AnyType> = T extends Type<infer R, infer _W> ? R : never;
/** The type that encoding a message takes. */
export type Write<T extends AnyType> = T extends Type<infer _R, infer W> ? W : never;

interface Defaulted {
  readonly defaulted: true;
}
type ReadShape<F extends Fields> = { -readonly [K in keyof F]: Read<F[K]> };
type WriteShape<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Defaulted ? never : K]: Write<F[K]>;
} & { readonly [K in keyof F as F[K] extends Defaulted ? K : never]?: Write<F[K]> | undefined };

const scalar = <T>(kind: Kind, zero: T): Type<T> => ({ kind, zero });

export const bool = scalar('bool', false);
export const int8 = scalar('int8', 0);
export const int16 = scalar('int16', 0);
export const uint16 = scalar('uint16', 0);
export const int32 = scalar('int32', 0);
export const uint32 = scalar('uint32', 0);
/** A `number`; values past 2^53 are refused by the reader. */
export const int64 = scalar('int64', 0);
export const float64 = scalar('float64', 0);
export const string = scalar('string', '');
/** 16 latin1 characters, one a byte: immutable, comparable with ===, usable as a Map key. See base/uuid.ts. */
export const uuid = scalar('uuid', '\0'.repeat(16));
const noBytes: Buffer = Buffer.alloc(0);
/** A view into the frame: whoever keeps it past the request copies it. */
export const bytes = scalar<Buffer>('bytes', noBytes);
/** Record batches as one view into the frame. */
export const records = scalar<Buffer>('records', noBytes);
/** Record batches as several views and regions of files, which leave without being copied; decodes to a single view. */
export const recordsVector: Type<readonly Buffer[], readonly RecordsPart[]> = {
  kind: 'recordsVector',
  zero: Object.freeze([]) as readonly Buffer[],
};

export const array = <R, W>(of: Type<R, W>): Type<R[], readonly W[]> => ({
  kind: 'array',
  of,
  zero: Object.freeze([]) as unknown as R[],
});

export function struct<F extends Fields>(fields: F): Type<ReadShape<F>, WriteShape<F>> {
  const zeros = Object.entries(fields).map(([name, type]) => [name, type.zero]);
  return { kind: 'struct', fields, zero: Object.freeze(Object.fromEntries(zeros)) as ReadShape<F> };
}

/** The field exists only in these versions. */
export const at = <T extends AnyType>(since: Range, type: T): T => ({ ...type, since });

/** The field has this default; a writer may leave it out. */
export const or = <R, W>(zero: R, type: Type<R, W>): Type<R, W> & Defaulted => ({
  ...type,
  zero,
  defaulted: true,
});

/** Null is legal in these versions; the default stays that of the type. */
export const nullable = <R, W>(type: Type<R, W>, versions: Range = '0+'): Type<R | null, W | null> => ({
  ...(type as Type<R | null, W | null>),
  nullable: versions,
});

/** Null is legal in these versions, and is the default. */
export const orNull = <R, W>(
  type: Type<R, W>,
  versions: Range = '0+',
): Type<R | null, W | null> & Defaulted => ({
  ...(type as Type<R | null, W | null>),
  zero: null,
  nullable: versions,
  defaulted: true,
});

/** A tagged field: left out on the wire when it has its default. */
export const tagged = <R, W>(
  tag: number,
  type: Type<R, W>,
  taggedSince: Range = '0+',
): Type<R, W> & Defaulted => ({
  ...type,
  tag,
  taggedSince,
  defaulted: true,
});

/** The field is never compact. */
export const plain = <T extends AnyType>(type: T): T => ({ ...type, plain: true });

export interface Layout {
  /** Versions that exist on the wire. */
  readonly versions: Range;
  /** Versions with compact lengths and tag sections; 'none' when no version has them. */
  readonly flexible: Range | 'none';
  /** The last version exists but is not offered yet: its meaning may still change. */
  readonly latestVersionUnstable?: boolean;
}

export interface Message<R, W = R> extends Type<R, W>, Layout {
  readonly name: string;
  /** The API key of a request or response, the record type of a coordinator's record. */
  readonly key: number;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMessage = Message<any, any>;

export function message<F extends Fields>(
  name: string,
  layout: Layout & { readonly key?: number },
  fields: F,
): Message<ReadShape<F>, WriteShape<F>> {
  return { ...struct(fields), key: -1, ...layout, name };
}

/** The two ends of a range; an open range ends at 32767. */
export function ends(range: Range): { min: number; max: number } {
  const [min, max] = range.split(/[-+]/);
  return { min: Number(min), max: max === undefined ? Number(min) : max === '' ? 32767 : Number(max) };
}

export function covers(range: Range | 'none', version: number): boolean {
  if (range === 'none') return false;
  const { min, max } = ends(range);
  return version >= min && version <= max;
}
