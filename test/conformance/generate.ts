/**
 * Random messages made from the schemas: valid values of every type, with nulls where they are legal, the limits of each
 * number, text of every width in UTF-8, and now and then a field left at its default so that tags are left out too.
 */
import { covers, type AnyMessage, type AnyType } from '../../src/protocol/schema.ts';

/** Numbers from 0 up to (not including) 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomBytes(size: number, random: () => number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = random() * 256;
  return bytes;
}

const ELEMENTS_MAX = 4;
const LETTERS = ['a', 'Z', '0', '-', '.', ' ', '\0', 'é', 'Ж', '€', '中', '😀', '\u{10ffff}'];
/** Long.MAX_VALUE, which Kafka uses for "no limit", and the ends of what a number holds exactly. */
const INT64_LIMITS = [2 ** 63, -(2 ** 63), 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 32, -(2 ** 32), 2 ** 31, -1, 0];

/** A value of the message that its codec at this version can write. */
export function randomMessage(message: AnyMessage, version: number, random: () => number): unknown {
  const isFlexible = covers(message.flexible, version);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(of: readonly T[]): T => of[below(of.length)];
  const int = (bits: number): number => {
    const limit = 2 ** (bits - 1);
    if (below(4) === 0) return pick([-limit, limit - 1, -1, 0, 1]);
    return below(2 * limit) - limit;
  };
  const uint = (bits: number): number => (below(4) === 0 ? pick([0, 1, 2 ** bits - 1]) : below(2 ** bits));
  const bytes = (limit: number): Buffer =>
    Buffer.from(Array.from({ length: below(limit) }, () => below(256)));
  const text = (): string => {
    // Now and then long enough that a compact size takes two bytes.
    const size = below(30) === 0 ? 100 + below(100) : below(8);
    return Array.from({ length: size }, () => pick(LETTERS)).join('');
  };

  const value = (type: AnyType): unknown => {
    if (type.nullable !== undefined && covers(type.nullable, version) && below(4) === 0) return null;
    if (type.defaulted && below(4) === 0) return type.zero ?? present(type);
    return present(type);
  };
  const present = (type: AnyType): unknown => {
    switch (type.kind) {
      case 'bool':
        return below(2) === 1;
      case 'int8':
        return int(8);
      case 'int16':
        return int(16);
      case 'uint16':
        return uint(16);
      case 'int32':
        return int(32);
      case 'uint32':
        return uint(32);
      case 'int64':
        return below(4) === 0 ? pick(INT64_LIMITS) : below(2 ** 53) * pick([1, -1]);
      case 'float64':
        return pick([0, -0.5, 1e300, -1e-300, Infinity, random()]);
      case 'string':
        return text();
      case 'uuid':
        return Array.from({ length: 16 }, () => String.fromCharCode(below(256))).join('');
      case 'bytes':
      case 'records':
        return bytes(40);
      case 'recordsVector':
        return Array.from({ length: below(3) }, () => bytes(40));
      case 'array':
        return Array.from({ length: below(ELEMENTS_MAX) }, () => value(type.of!));
      case 'struct':
        return members(type);
    }
  };
  const members = (type: AnyType): Record<string, unknown> => {
    const made: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(type.fields!)) {
      const isTagged = member.tag !== undefined && covers(member.taggedSince ?? '0+', version);
      const isHere = covers(member.since ?? '0+', version) && (isFlexible || !isTagged);
      made[name] = isHere ? value(member) : member.zero;
    }
    return made;
  };
  return members(message);
}
