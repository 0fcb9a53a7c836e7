/** Which records are printed. All conditions that are given must hold. */
import type { ConsumerRecord } from '../../client/client.ts';
import { UsageError } from '../command.ts';

export interface FilterOptions {
  /** The key, whole. */
  readonly key?: string;
  /** A regular expression for the value. */
  readonly grep?: string;
  /** `name`, or `name=value`. */
  readonly headers: readonly string[];
  /** `field=value` of values that are JSON; `user.id=7` looks inside. */
  readonly where: readonly string[];
  /** Records before it alone; ms since the epoch. */
  readonly untilTimeMs?: number;
}

export type Filter = (record: ConsumerRecord) => boolean;

export function filterOf({ key, grep, headers, where, untilTimeMs }: FilterOptions): Filter {
  const filters: Filter[] = [];
  if (key !== undefined) filters.push((record) => record.keyText === key);
  if (untilTimeMs !== undefined) filters.push(({ timestamp }) => timestamp < untilTimeMs);
  if (grep !== undefined) {
    const pattern = regularExpression(grep);
    filters.push(({ text }) => text !== null && pattern.test(text));
  }
  for (const one of headers) filters.push(headerFilter(one));
  if (where.length > 0) filters.push(fieldFilter(where));
  return (record) => filters.every((filter) => filter(record));
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new UsageError(`--grep ${text}: this is no regular expression`);
  }
}

function headerFilter(text: string): Filter {
  const at = text.indexOf('=');
  if (at < 0) return ({ headers }) => headers.some(({ key }) => key === text);
  const [name, wanted] = [text.slice(0, at), text.slice(at + 1)];
  return ({ headers }) => headers.some(({ key, value }) => key === name && value?.toString() === wanted);
}

function fieldFilter(where: readonly string[]): Filter {
  const fields = where.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`--where ${text}: write field=value`);
    return { path: text.slice(0, at).split('.'), wanted: text.slice(at + 1) };
  });
  return ({ text }) => {
    if (text === null) return false;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return false;
    }
    return fields.every(({ path, wanted }) => {
      const found = path.reduce<unknown>(
        (part, name) => (part as Record<string, unknown> | null)?.[name],
        value,
      );
      return typeof found === 'string' ? found === wanted : JSON.stringify(found) === wanted;
    });
  };
}
