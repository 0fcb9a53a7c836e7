/** Polls as a history wants them, and where a consumer stands before the first of them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, ConsumerBatch, ConsumerOptions } from '../../../../src/client/client.ts';
import type { Isolation } from '../../../workload/history.ts';
import { keyOf, type Life } from './life.ts';

type Found = Record<string, [offset: number, value: number][]>;

const POSITIONS_MS_MAX = 15_000;
const POSITIONS_INTERVAL_MS = 5;
/** Batches that a poll gathers of what is there at once. */
const BATCHES_MAX = 3;

/** A position that is not there any more is an error. */
export function readerOptions(isolation: Isolation): ConsumerOptions {
  return {
    isolation: isolation === 'read_committed' ? 'committed' : 'uncommitted',
    onOutOfRange: 'error',
    maxWaitMs: 50,
  };
}

export async function poll(consumer: Consumer, timeoutMs: number): Promise<Found> {
  const found: Found = {};
  for (let count = 0; count < BATCHES_MAX; count++) {
    const batch = await consumer.poll({ timeoutMs: count === 0 ? timeoutMs : 0 });
    if (batch === undefined) break;
    add(found, batch);
  }
  return found;
}

export function add(found: Found, batch: ConsumerBatch): Found {
  for (const { offset, text } of batch.records) {
    if (text === null) throw new Error(`null at ${keyOf(batch)} @${offset}`);
    (found[keyOf(batch)] ??= []).push([offset, Number(text)]);
  }
  return found;
}

export function isEmpty(found: Found): boolean {
  return Object.keys(found).length === 0;
}

export function notePoll(life: Life, consumer: string, found: Found): void {
  if (!isEmpty(found)) life.note('ok', { f: 'poll', consumer, poll: found });
}

/** Waits until all positions are known, while nothing is fetched yet. */
export async function positions(life: Life, consumer: Consumer): Promise<Record<string, number>> {
  consumer.pause();
  const find = async (): Promise<Record<string, number>> => {
    for (let waitedMs = 0; waitedMs < POSITIONS_MS_MAX; waitedMs += POSITIONS_INTERVAL_MS) {
      const known = consumer.assignment().map((at) => [keyOf(at), consumer.position(at)] as const);
      if (known.every(([, position]) => position !== undefined)) {
        return Object.fromEntries(known.map(([key, position]) => [key, position!]));
      }
      await delay(POSITIONS_INTERVAL_MS);
    }
    throw new Error(`positions are not known after ${POSITIONS_MS_MAX} ms`);
  };
  const found = await life.during('finding positions', find());
  consumer.resume();
  return found;
}
