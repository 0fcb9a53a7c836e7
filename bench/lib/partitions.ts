/** Partitions with something in them: one batch in some, or thousands of partitions with a record in each. */
import { setTimeout as delay } from 'node:timers/promises';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import { WireClient } from '../wire-client.ts';
import { HOST } from './servers.ts';
import { createTopics, type NewTopic } from './topics.ts';

/** A new topic is not led by anybody for a moment. */
const TRANSIENT: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.NOT_LEADER_OR_FOLLOWER,
]);
const RETRY_MS = 5;
const RETRY_MS_MAX = 60_000;
const PARTITIONS_PER_TOPIC = 50;
/** Kafka takes minutes to make so many and to start with them: one round. */
const SLOW_PARTITIONS_MIN = 5000;

/** How often a question alternates between sides that hold so many partitions. */
export function roundsWith(partitions: number): { readonly roundsMax?: number } {
  return partitions >= SLOW_PARTITIONS_MIN ? { roundsMax: 1 } : {};
}

/** As a clause for the document. */
export const ROUNDS_TEXT = `with ${SLOW_PARTITIONS_MIN.toLocaleString('en-US')} and more there is one round`;

export interface ProduceRound {
  readonly topic: string;
  readonly partitions: readonly number[];
  /** One batch; each partition gets the same bytes. */
  readonly batch: Buffer;
}

/** Writes the batch to each partition with one request, acks=all; tries again while the topic is new. Offsets as answered. */
export async function produce(
  client: WireClient,
  { topic, partitions, batch }: ProduceRound,
): Promise<Map<number, number>> {
  const offsets = new Map<number, number>();
  let wanted = partitions;
  for (const until = performance.now() + RETRY_MS_MAX; ;) {
    const partitionData = wanted.map((index) => ({ index, records: batch }));
    const body = { acks: -1, timeoutMs: 30_000, topicData: [{ name: topic, topicId: '', partitionData }] };
    const { responses } = await client.call(ProduceRequest, ProduceResponse, { version: 9, body });
    const answers = responses[0]?.partitionResponses ?? [];
    for (const { index, errorCode, baseOffset } of answers) {
      if (errorCode === 0) offsets.set(index, baseOffset);
      else if (!TRANSIENT.has(errorCode) || performance.now() > until) {
        throw new Error(`produce to ${topic}-${index} failed with ${errorCode}`);
      }
    }
    wanted = wanted.filter((index) => !offsets.has(index));
    if (wanted.length === 0) return offsets;
    await delay(RETRY_MS);
  }
}

export function oneRecord(text = 'a record of the benchmark'): Buffer {
  return buildBatch({ records: [{ key: null, value: Buffer.from(text), timestamp: Date.now() }] });
}

/** A batch of about `sizeBytes` with records of `recordBytes` values that do not repeat. */
export function filledBatch(options: { recordBytes: number; sizeBytes: number }): Buffer {
  const count = Math.max(1, Math.floor(options.sizeBytes / (options.recordBytes + 8)));
  const timestamp = Date.now();
  let state = 1;
  const value = (): Buffer => {
    const bytes = Buffer.allocUnsafe(options.recordBytes);
    // A small generator is enough: nothing here compresses, but a file system might.
    for (let at = 0; at < bytes.length; at++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      bytes[at] = state >>> 16;
    }
    return bytes;
  };
  return buildBatch({
    records: Array.from({ length: count }, () => ({ key: null, value: value(), timestamp })),
  });
}

export const manyName = (topic: number): string => `many-${topic}`;

/** Partitions over several topics, of 50 partitions each but the last. */
function manyTopics(partitions: number): NewTopic[] {
  return Array.from({ length: Math.ceil(partitions / PARTITIONS_PER_TOPIC) }, (_, topic) => ({
    topic: manyName(topic),
    partitions: Math.min(PARTITIONS_PER_TOPIC, partitions - topic * PARTITIONS_PER_TOPIC),
  }));
}

/** Makes `to` partitions of what were `from`; `from` is a multiple of 50. A record is in each of the new ones. */
export async function growPartitions(
  port: number,
  { from, to }: { from: number; to: number },
): Promise<void> {
  const client = await WireClient.connect(HOST, port);
  try {
    for (const topic of manyTopics(to).slice(from / PARTITIONS_PER_TOPIC)) {
      await createTopics(port, [topic]);
      await touch(client, topic);
    }
  } finally {
    client.close();
  }
}

/** Writes one record to each of `partitions` partitions: each is served, and a killed broker has each to recover. */
export async function touchPartitions(port: number, partitions: number): Promise<void> {
  const client = await WireClient.connect(HOST, port);
  try {
    for (const topic of manyTopics(partitions)) await touch(client, topic);
  } finally {
    client.close();
  }
}

async function touch(client: WireClient, { topic, partitions }: NewTopic): Promise<void> {
  const all = Array.from({ length: partitions }, (_, index) => index);
  await produce(client, { topic, partitions: all, batch: oneRecord() });
}
