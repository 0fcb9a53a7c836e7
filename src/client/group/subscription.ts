/**
 * What members of a classic group tell each other, as bytes: which topics they want, what they have, and what they
 * are given.
 */
import { codec } from '../../protocol/compile.ts';
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
} from '../../protocol/records/consumer-protocol.ts';
import type { Message } from '../../protocol/schema.ts';
import { Reader, Writer } from '../../protocol/wire.ts';
import type { TopicPartition } from '../consumer/options.ts';

/** Owned partitions since 1, the generation since 2, the rack since 3. */
const SUBSCRIPTION_VERSION = 3;
const ASSIGNMENT_VERSION = 1;

export interface Subscription {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
  /** In which `owned` was true; -1 when the member is too old to say. */
  readonly generation: number;
  readonly rack: string | null;
  /** What the member tells an assignor that asks for more than that; null for nothing. */
  readonly userData: Buffer | null;
}

function encode<W>(message: Message<unknown, W>, version: number, value: W): Buffer {
  const writer = new Writer();
  writer.int16(version);
  codec(message, version).write(writer, value);
  return writer.toBuffer();
}

/** Later versions only add to the end, so what is known of them can be read. Throws ProtocolError. */
function decode<R, W>(message: Message<R, W>, versionMax: number, bytes: Buffer): R {
  const reader = new Reader(bytes);
  const version = Math.min(reader.int16(), versionMax);
  return codec(message, version).read(reader);
}

function grouped(list: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of list) {
    const partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, [partition]);
    else partitions.push(partition);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

function flat(list: readonly { topic: string; partitions: readonly number[] }[]): TopicPartition[] {
  return list.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

export function encodeSubscription({ topics, owned, generation, rack, userData }: Subscription): Buffer {
  return encode(ConsumerProtocolSubscription, SUBSCRIPTION_VERSION, {
    topics: [...topics].sort(),
    userData,
    ownedPartitions: grouped(owned),
    generationId: generation,
    rackId: rack,
  });
}

export function decodeSubscription(bytes: Buffer): Subscription {
  const read = decode(ConsumerProtocolSubscription, SUBSCRIPTION_VERSION, bytes);
  const { topics, ownedPartitions, generationId, rackId: rack, userData } = read;
  return { topics, owned: flat(ownedPartitions), generation: generationId, rack, userData };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return encode(ConsumerProtocolAssignment, ASSIGNMENT_VERSION, { assignedPartitions: grouped(partitions) });
}

/** No bytes are no partitions: a leader may leave a member out. */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  if (bytes.length === 0) return [];
  return flat(decode(ConsumerProtocolAssignment, ASSIGNMENT_VERSION, bytes).assignedPartitions);
}
