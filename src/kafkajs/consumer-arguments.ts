/** What applications hand to `commitOffsets` and `seek`, checked as KafkaJS checks it. All throw KafkaJSNonRetriableError. */
import type { TopicPartition } from '../client/consumer/options.ts';
import type { OffsetToCommit } from '../client/group/offsets.ts';
import { KafkaJSNonRetriableError } from './errors.ts';
import type { TopicPartitionOffset, TopicPartitionOffsetAndMetadata } from './types.ts';

/** What was given in place of something else, for messages. */
export function shown(given: unknown): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}

/** Stand for the ends of a partition. */
const EARLIEST = -2;
const LATEST = -1;

export function checkedCommits(list: readonly TopicPartitionOffsetAndMetadata[]): OffsetToCommit[] {
  return list.map(({ topic, partition, offset, metadata = null }) => {
    checkPartition({ topic, partition });
    if (metadata !== null && typeof metadata !== 'string') {
      throw new KafkaJSNonRetriableError(
        `Invalid offset metadata, expected string or null, received ${String(metadata)}`,
      );
    }
    const number = offsetOf(offset);
    if (number < 0) throw negative();
    return { topic, partition: Number(partition), offset: number, metadata: metadata ?? '' };
  });
}

/** As an offset, or KafkaJS's -2 and -1 for the ends. */
export function checkedSeek({ topic, partition, offset }: TopicPartitionOffset): TopicPartition & {
  readonly offset: number;
} {
  checkPartition({ topic, partition });
  const number = offsetOf(offset);
  if (number < 0 && number !== EARLIEST && number !== LATEST) throw negative();
  return { topic, partition: Number(partition), offset: number };
}

export function offsetOf(offset: unknown): number {
  const isText = typeof offset === 'string' && /^-?\d+$/.test(offset);
  if (isText || typeof offset === 'number' || typeof offset === 'bigint') {
    const number = Number(offset);
    if (Number.isSafeInteger(number)) return number;
  }
  throw new KafkaJSNonRetriableError(`Invalid offset, expected a long received ${String(offset)}`);
}

function negative(): Error {
  return new KafkaJSNonRetriableError('Offset must not be a negative number');
}

function checkPartition({ topic, partition }: TopicPartition): void {
  if (!topic) throw new KafkaJSNonRetriableError(`Invalid topic ${topic}`);
  if (Number.isNaN(Number(partition ?? Number.NaN))) {
    throw new KafkaJSNonRetriableError(`Invalid partition, expected a number received ${partition}`);
  }
}
