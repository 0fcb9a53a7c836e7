/** Keys and values as something else than bytes: text, JSON, bytes as they are, or whatever the user brings. */
import type { Data } from '../producer/record.ts';
import { ownError } from '../errors.ts';
import { validate, type StandardSchema } from './standard-schema.ts';

/** Both directions; `In` may be wider than `Out`, as with defaults of a schema. */
export interface Serde<Out, In = Out> {
  /** What leaves. Text goes as UTF-8; null is a tombstone as a value, and no key as a key. May throw. */
  serialize(value: In, where: SerdeContext): Data;
  /** `bytes` are a view that is lent: copy what is kept. Null is a tombstone, or no key. May throw. */
  deserialize(bytes: Buffer | null, where: SerdeContext): Out;
}

/** Where the bytes come from, or go to. */
export interface SerdeContext {
  readonly topic: string;
  readonly part: 'key' | 'value';
}

/** UTF-8. */
export const text: Serde<string | null> = {
  serialize: (value) => value,
  deserialize: (bytes) => (bytes === null ? null : bytes.toString('utf8')),
};

/** As they are. What comes is a view of what was received. */
export const bytes: Serde<Buffer | null, Uint8Array | null> = {
  serialize: (value) => value,
  deserialize: (received) => received,
};

/**
 * JSON; null and undefined stand for no bytes. With a schema (Standard Schema) what leaves and what comes is what the schema
 * makes of it, and its issues are errors; without one nobody checks what comes, so it is unknown.
 */
export function json(): Serde<unknown>;
export function json<In, Out>(schema: StandardSchema<In, Out>): Serde<Out, In>;
export function json<In, Out>(schema?: StandardSchema<In, Out>): Serde<unknown> {
  const checked = (value: unknown): unknown => (schema === undefined ? value : validate(schema, value));
  return {
    serialize(value) {
      const good = checked(value);
      if (good === null || good === undefined) return null;
      const written = JSON.stringify(good) as string | undefined;
      if (written === undefined) throw ownError('SERIALIZATION', `a ${typeof good} has no JSON`);
      return written;
    },
    deserialize: (received) => checked(received === null ? null : JSON.parse(received.toString('utf8'))),
  };
}
