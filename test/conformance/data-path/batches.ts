/** Batches and bodies that the scenarios of the data path send. */
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { updateCrc } from '../../../src/protocol/record-batch.ts';
import { buildBatch, type NewBatch } from '../../../src/protocol/records.ts';
import type { Side } from '../two-brokers.ts';

/** Long ago, so that no broker's clock is near. */
export const T0 = 1_700_000_000_000;
export const [PRODUCE, FETCH, LIST_OFFSETS, DELETE_RECORDS] = [0, 1, 2, 21];

/** One batch with these values, a millisecond apart from T0 on. */
export function batchOf(values: readonly string[], options: Partial<NewBatch> = {}): Buffer {
  const records = values.map((value, n) => ({ key: null, value: Buffer.from(value), timestamp: T0 + n }));
  return buildBatch({ records, ...options });
}

/** A batch of a producer with an id. */
export function sequenced(
  producerId: number,
  producerEpoch: number,
  baseSequence: number,
  count = 1,
): Buffer {
  const values = Array.from({ length: count }, (_, n) => `s${baseSequence + n}`);
  return batchOf(values, { producerId, producerEpoch, baseSequence });
}

/** The batch with some of its bytes changed, and its checksum right again. */
export function patched(batch: Buffer, patch: (batch: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  patch(copy);
  updateCrc(copy);
  return copy;
}

type Partitions = readonly (readonly [number, Buffer | null])[];

/** Of one topic, by name and by id, as the version wants it. */
export function produceBody(topic: string, partitions: Partitions, more: object = {}) {
  return (side: Side): object => ({
    acks: -1,
    timeoutMs: 10_000,
    topicData: [topicData(side, topic, partitions)],
    ...more,
  });
}

export function topicData(side: Side, topic: string, partitions: Partitions): object {
  return {
    name: topic,
    topicId: side.kept.get(`id of ${topic}`) ?? ZERO_UUID,
    partitionData: partitions.map(([index, records]) => ({ index, records })),
  };
}

export interface Wanted {
  readonly partition?: number;
  readonly at?: number;
  readonly epoch?: number;
  readonly lastEpoch?: number;
  readonly maxBytes?: number;
}

/** Of one topic; each wanted partition from an offset. */
export function fetchTopic(side: Side, topic: string, wanted: readonly Wanted[]): object {
  return {
    topic,
    topicId: side.kept.get(`id of ${topic}`) ?? ZERO_UUID,
    partitions: wanted.map(({ partition = 0, at = 0, epoch = -1, lastEpoch = -1, maxBytes = 1 << 20 }) => ({
      partition,
      currentLeaderEpoch: epoch,
      fetchOffset: at,
      lastFetchedEpoch: lastEpoch,
      partitionMaxBytes: maxBytes,
    })),
  };
}

export function fetchBody(topic: string, wanted: readonly Wanted[], more: object = {}) {
  return (side: Side): object => ({
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 50 << 20,
    topics: [fetchTopic(side, topic, wanted)],
    ...more,
  });
}

export function listBody(
  topic: string,
  timestamp: number,
  more: object = {},
  partition: object = {},
): object {
  return {
    replicaId: -1,
    timeoutMs: 1000,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp, ...partition }] }],
    ...more,
  };
}
