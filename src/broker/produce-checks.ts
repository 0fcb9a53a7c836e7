/** What a Produce request may look like, before anything of it is looked at closely. */
import type { ProduceRequest } from '../protocol/messages/00-produce.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import {
  BATCH_HEADER_BYTES,
  batchSizeBytes,
  compressionType,
  LOG_OVERHEAD_BYTES,
  magic,
  MAGIC_CURRENT,
  MAGIC_POSITION,
} from '../protocol/record-batch.ts';

export type ProducedTopic = ProduceRequest['topicData'][number];
export type ProducedPartition = ProducedTopic['partitionData'][number];

const ZSTD_VERSION_MIN = 7;
/** The smallest message of the oldest format, after its size. */
const ENTRY_OVERHEAD_BYTES = 14;
/** Up to so many partitions are compared each with each. */
const COMPARED_PARTITIONS_MAX = 20;

/** What a Produce request may hold for a partition: exactly one batch, of magic 2. */
export function checkRecords(
  records: Buffer | null,
  version: number,
): { readonly errorCode: ErrorCode; readonly message: string } | undefined {
  const first = records === null ? 'none' : entryAt(records, 0);
  if (first === 'corrupt') return corrupt('The bytes are no record batch');
  if (records === null || first === 'none') {
    return invalidRecord(`Produce requests with version ${version} must have at least one record batch`);
  }
  if (magic(records) !== MAGIC_CURRENT) {
    return invalidRecord(
      `Produce requests with version ${version} are only allowed to contain record batches with magic version 2`,
    );
  }
  if (batchSizeBytes(records) < BATCH_HEADER_BYTES) {
    return corrupt('The record batch is shorter than its header');
  }
  if (version < ZSTD_VERSION_MIN && compressionType(records) === 'zstd') {
    return {
      errorCode: Errors.UNSUPPORTED_COMPRESSION_TYPE,
      message: `Produce requests with version ${version} are not allowed to use ZStandard compression`,
    };
  }
  const second = entryAt(records, batchSizeBytes(records));
  if (second === 'corrupt') return corrupt('What follows the record batch is none');
  if (second === 'whole') {
    return invalidRecord(
      `Produce requests with version ${version} are only allowed to contain exactly one record batch per partition`,
    );
  }
  return undefined;
}

/** What begins at a position, as Kafka reads it: a part of a batch at the very end counts for nothing. */
function entryAt(records: Buffer, at: number): 'none' | 'whole' | 'corrupt' {
  const available = records.length - at;
  if (available < LOG_OVERHEAD_BYTES) return 'none';
  const sizeBytes = batchSizeBytes(records, at);
  if (sizeBytes < LOG_OVERHEAD_BYTES + ENTRY_OVERHEAD_BYTES) return 'corrupt';
  if (available <= MAGIC_POSITION) return 'none';
  if (magic(records, at) < 0 || magic(records, at) > MAGIC_CURRENT) return 'corrupt';
  return sizeBytes > available ? 'none' : 'whole';
}

function corrupt(message: string): { errorCode: ErrorCode; message: string } {
  return { errorCode: Errors.CORRUPT_MESSAGE, message };
}

function invalidRecord(message: string): { errorCode: ErrorCode; message: string } {
  return { errorCode: Errors.INVALID_RECORD, message };
}

function hasPartitionTwice(partitions: readonly ProducedPartition[]): boolean {
  if (partitions.length === 0 || partitions.length > COMPARED_PARTITIONS_MAX) return true;
  for (let index = 1; index < partitions.length; index++) {
    for (let before = 0; before < index; before++) {
      if (partitions[before]!.index === partitions[index]!.index) return true;
    }
  }
  return false;
}

/**
 * The request as Kafka reads it: of a partition named twice the last mention counts, mentions of a topic are put
 * together, and a topic without partitions is none. Costs nothing for a few partitions of one topic.
 */
export function distinctPartitions(topicData: readonly ProducedTopic[]): readonly ProducedTopic[] {
  if (topicData.length === 1 && !hasPartitionTwice(topicData[0]!.partitionData)) return topicData;
  const topics = new Map<string, { topic: ProducedTopic; partitions: Map<number, ProducedPartition> }>();
  for (const topic of topicData) {
    const key = topic.topicId + topic.name;
    let known = topics.get(key);
    for (const data of topic.partitionData) {
      if (known === undefined) topics.set(key, (known = { topic, partitions: new Map() }));
      known.partitions.set(data.index, data);
    }
  }
  return [...topics.values()].map(({ topic, partitions }) => ({
    ...topic,
    partitionData: [...partitions.values()],
  }));
}
