/**
 * Questions about several things in one call: each has an outcome of its own. What fails for a while is asked again alone, so
 * that what has been done already is not done twice; what fails for good is told for each thing.
 */
import { Errors } from '../../protocol/errors.ts';
import { brokerError, connectionError, KafkaError, ownError, textOf } from '../errors.ts';
import type { AskOptions, Routes } from './routes.ts';

export type Outcome<T> = { readonly value: T } | { readonly error: KafkaError };

export interface ItemFailure {
  /** The topic, `topic-partition`, group, user, broker... as it was given. */
  readonly item: string;
  readonly error: KafkaError;
}

/**
 * Some of the things in one call failed. Name, code and text are those of the first failure; `failures` has all of them, and
 * `results` what the call would have yielded for the others, which have been done.
 */
export class AdminError extends KafkaError {
  readonly failures: readonly ItemFailure[];
  readonly results: readonly unknown[];

  constructor(failures: readonly ItemFailure[], results: readonly unknown[]) {
    const { error } = failures[0]!;
    const others = failures.length - 1;
    const { code, retriable, fatal, abortable, advice } = error;
    const options = { code, retriable, fatal, abortable, advice, cause: error };
    super(error.errorName, others === 0 ? textOf(error) : `${textOf(error)}, and ${others} more`, options);
    this.failures = failures;
    this.results = results;
  }
}

export interface Answered {
  readonly errorCode: number;
  readonly errorMessage?: string | null;
}

/** The part of an answer that is about one thing. */
export function outcomeOf<T>(answer: Answered, about: string, value: () => T): Outcome<T> {
  const { errorCode, errorMessage: message } = answer;
  if (errorCode === Errors.NONE) return { value: value() };
  const why = message === null || message === undefined || message === '' ? '' : `: ${message}`;
  return { error: brokerError(errorCode, `${about}${why}`) };
}

/** For each item what `answers` says about it, found by a key that both have. */
export function matched<Q, A, T>(
  items: readonly Q[],
  answers: ReadonlyMap<string, A>,
  of: { readonly keyOf: (item: Q) => string; readonly outcome: (answer: A, item: Q) => Outcome<T> },
): Outcome<T>[] {
  return items.map((item) => {
    const key = of.keyOf(item);
    const answer = answers.get(key);
    if (answer === undefined) return { error: ownError('INVALID_ANSWER', `nothing was answered for ${key}`) };
    return of.outcome(answer, item);
  });
}

/** A topic that was just made is known to some brokers a moment before it is to others. */
const NEW_TOPIC_PATIENCE_MS = 1_000;

export interface Items<Q, T> extends AskOptions {
  /** A topic that nobody knows is asked for once more, for a moment. */
  readonly isPatient?: boolean;
  readonly nameOf: (item: Q) => string;
  /** In the order of the items. Throws what concerns all of them. */
  readonly ask: (items: readonly Q[]) => Promise<readonly Outcome<T>[]>;
}

/** What was answered for each item, in their order. Rejects with AdminError. */
export async function eachItem<Q, T>(routes: Routes, items: readonly Q[], how: Items<Q, T>): Promise<T[]> {
  const values = new Map<number, T>();
  const failed = new Map<number, KafkaError>();
  const { clock } = routes.core.ports;
  const patientUntilMs = how.isPatient === true ? clock.monotonicMs() + NEW_TOPIC_PATIENCE_MS : -Infinity;
  const isFinal = (error: KafkaError | undefined): boolean => {
    if (error === undefined || routes.passes(error)) return false;
    return error.code !== Errors.UNKNOWN_TOPIC_OR_PARTITION || clock.monotonicMs() >= patientUntilMs;
  };
  const asking = async (): Promise<void> => {
    const open = [...items.keys()].filter((at) => !values.has(at) && !isFinal(failed.get(at)));
    if (open.length === 0) return;
    const outcomes = await how.ask(open.map((at) => items[at]!));
    let isPassing = false;
    outcomes.forEach((outcome, n) => {
      const at = open[n]!;
      if ('value' in outcome) {
        values.set(at, outcome.value);
        failed.delete(at);
      } else {
        failed.set(at, outcome.error);
        if (!isFinal(outcome.error)) isPassing = true;
      }
    });
    if (isPassing) throw brokerError(Errors.LEADER_NOT_AVAILABLE, 'some have to be asked once more');
  };
  try {
    await routes.repeat(asking, how);
  } catch (error) {
    if (how.signal?.aborted === true) throw error;
    const why = connectionError(error, 'asking a broker');
    for (const at of items.keys()) if (!values.has(at) && !failed.has(at)) failed.set(at, why);
  }
  const results = [...items.keys()].filter((at) => values.has(at)).map((at) => values.get(at)!);
  if (failed.size === 0) return results;
  const failures = [...failed]
    .sort(([a], [b]) => a - b)
    .map(([at, error]) => ({ item: how.nameOf(items[at]!), error }));
  throw new AdminError(failures, results);
}

/** Items of which each is asked of a broker of its own choice, all at once: `ask` throws what is about its items alone. */
export async function apart<Q, T>(
  items: readonly Q[],
  ask: (item: Q) => Promise<Outcome<T>>,
): Promise<Outcome<T>[]> {
  return Promise.all(
    items.map(async (item) => {
      try {
        return await ask(item);
      } catch (error) {
        return { error: connectionError(error, 'asking a broker') };
      }
    }),
  );
}

/** By topic, in their order, as most requests want it. */
export function grouped<Q extends { readonly topic: string }, T>(
  items: readonly Q[],
  of: (item: Q) => T,
): [topic: string, list: T[]][] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const list = topics.get(item.topic);
    if (list === undefined) topics.set(item.topic, [of(item)]);
    else list.push(of(item));
  }
  return [...topics];
}

export function partitionName({
  topic,
  partition,
}: {
  readonly topic: string;
  readonly partition: number;
}): string {
  return `${topic}-${partition}`;
}
