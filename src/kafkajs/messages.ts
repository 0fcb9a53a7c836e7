/** Messages as KafkaJS writes them down, to and from the records of headrace/client. */
import type { ConsumerBatch, ConsumerRecord } from '../client/consumer/record.ts';
import type { Data, ProducerRecord, SentRange } from '../client/producer/record.ts';
import type { PartitionInfo } from '../client/metadata/cluster-view.ts';
import type { Batch, IHeaders, KafkaMessage, Message, PartitionMetadata, RecordMetadata } from './types.ts';

/** A record with the message that it was made from, for partitioners. */
export interface MessageRecord extends ProducerRecord {
  readonly message: Message;
}

export function recordOf(topic: string, message: Message): MessageRecord {
  const { key, value, partition, headers, timestamp } = message;
  return {
    topic,
    key: dataOf(key),
    value: dataOf(value),
    partition: partition ?? undefined,
    headers: headers === undefined || headers === null ? undefined : headersOf(headers),
    timestamp: timestamp === undefined || timestamp === null ? undefined : Number(timestamp),
    message,
  };
}

/** Numbers and the like go as text, as in KafkaJS. */
function dataOf(data: unknown): Data {
  if (data === null || data === undefined) return null;
  if (typeof data === 'string') return data;
  if (ArrayBuffer.isView(data)) return data as Uint8Array;
  return String(data as number);
}

/** A list is a header of that name for each of its values. */
function headersOf(headers: IHeaders): [string, Data][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((one): [string, Data] => [name, dataOf(one)])
      : [[name, dataOf(value)] as [string, Data]],
  );
}

/** One entry a partition, by topic and partition. */
export function recordMetadataOf(ranges: readonly SentRange[]): RecordMetadata[] {
  const first = new Map<string, SentRange>();
  for (const range of ranges) {
    const name = `${range.topic}\0${range.partition}`;
    const known = first.get(name);
    if (known === undefined || range.baseOffset < known.baseOffset) first.set(name, range);
  }
  return [...first.values()]
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    .map(({ topic: topicName, partition, baseOffset, appendTimestamp = -1 }) => ({
      topicName,
      partition,
      errorCode: 0,
      baseOffset: `${baseOffset}`,
      logAppendTime: `${appendTimestamp}`,
    }));
}

export function partitionMetadataOf(partitions: readonly Readonly<PartitionInfo>[]): PartitionMetadata[] {
  return partitions.map(({ index, leader, replicas, inSyncReplicas, offlineReplicas }) => ({
    partitionErrorCode: 0,
    partitionId: index,
    leader,
    replicas: [...replicas],
    isr: [...inSyncReplicas],
    offlineReplicas: [...offlineReplicas],
  }));
}

/** What is not in the types of KafkaJS and yet in its messages. */
interface FullMessage extends KafkaMessage {
  readonly magicByte: number;
  readonly isControlRecord: boolean;
}

const MAGIC = 2;

export function messageOf(record: ConsumerRecord): FullMessage {
  const headers: IHeaders = {};
  for (const { key, value } of record.headers) {
    const known = headers[key];
    const one = value as Buffer;
    if (known === undefined) headers[key] = one;
    else if (Array.isArray(known)) known.push(one);
    else headers[key] = [known, one];
  }
  return {
    magicByte: MAGIC,
    attributes: 0,
    timestamp: `${record.timestamp}`,
    offset: `${record.offset}`,
    key: record.key,
    value: record.value,
    headers,
    isControlRecord: false,
  };
}

/** What one answer has brought of a partition. */
export class MessageBatch implements Batch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly messages: KafkaMessage[];
  readonly #highWatermark: number;
  readonly #first: number;
  /** Of records that were left out, too: markers, and what belongs to aborted transactions. */
  readonly #last: number;

  constructor(batch: ConsumerBatch) {
    this.topic = batch.topic;
    this.partition = batch.partition;
    this.highWatermark = `${batch.highWatermark}`;
    this.messages = batch.records.map(messageOf);
    this.#highWatermark = batch.highWatermark;
    this.#first = batch.records[0]!.offset;
    this.#last = batch.nextOffset - 1;
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  firstOffset(): string | null {
    return `${this.#first}`;
  }

  lastOffset(): string {
    return `${this.#last}`;
  }

  offsetLag(): string {
    return `${this.#highWatermark - 1 - this.#last}`;
  }

  offsetLagLow(): string {
    return `${this.#highWatermark - 1 - this.#first}`;
  }
}
