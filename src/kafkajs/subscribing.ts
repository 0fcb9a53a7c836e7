/** What `subscribe` is given, as names of topics that are there. */
import { types } from 'node:util';
import type { ClientCore } from '../client/core.ts';
import { KafkaJSNonRetriableError } from './errors.ts';
import { translated } from './translate.ts';

export interface Subscription {
  readonly topic?: string | RegExp;
  readonly topics?: readonly (string | RegExp)[];
  readonly fromBeginning?: boolean;
}

/** Rejects when a topic is not there and is not made. */
export async function subscribedNames(
  core: ClientCore,
  wanted: readonly (string | RegExp)[],
  { mayCreate }: { readonly mayCreate: boolean },
): Promise<string[]> {
  const names = new Set(wanted.filter((one) => typeof one === 'string'));
  const patterns = wanted.filter((one) => typeof one !== 'string');
  try {
    if (patterns.length > 0) for (const name of await matching(core, patterns)) names.add(name);
    await Promise.all([...names].map((name) => untilThere(core, name, mayCreate)));
  } catch (error) {
    throw translated(error);
  }
  return [...names];
}

/** The topics and patterns of a subscription. Throws KafkaJSNonRetriableError for what is none. */
export function checkedSubscription({ topic, topics }: Subscription): (string | RegExp)[] {
  if (topics !== undefined && topics !== null && !Array.isArray(topics)) {
    throw new KafkaJSNonRetriableError('Argument "topics" must be an array');
  }
  const given: unknown = topics ?? topic;
  if (given === undefined || given === null || given === '') {
    throw new KafkaJSNonRetriableError('Missing required argument "topics"');
  }
  const list: unknown[] = Array.isArray(given) ? given : [given];
  for (const one of list) {
    // A test runner may give the application globals of its own.
    if (typeof one === 'string' || types.isRegExp(one)) continue;
    throw new KafkaJSNonRetriableError(
      `Invalid topic ${String(one)} (${typeof one}), the topic name has to be a String or a RegExp`,
    );
  }
  return list as (string | RegExp)[];
}

async function matching({ metadata }: ClientCore, patterns: readonly RegExp[]): Promise<string[]> {
  const unwant = metadata.wantAll();
  try {
    await metadata.refresh();
  } finally {
    unwant();
  }
  return metadata.view
    .names()
    .filter((name) =>
      patterns.some((one) => new RegExp(one.source, one.flags.replace(/[gy]/g, '')).test(name)),
    );
}

async function untilThere({ metadata }: ClientCore, name: string, mayCreate: boolean): Promise<void> {
  metadata.want(name, { mayCreate });
  try {
    await metadata.topic(name);
  } finally {
    metadata.unwant(name);
  }
}
