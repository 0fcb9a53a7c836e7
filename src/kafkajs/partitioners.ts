/** KafkaJS's partitioners: by key, as Java's clients do or as KafkaJS did before version 2, and in turns without one. */
import type { Random } from '../base/ports.ts';
import { partitionOfKey } from '../client/producer/murmur2.ts';
import { realPorts } from '../client/real-ports.ts';
import type { ICustomPartitioner, Message, PartitionerArgs } from './types.ts';

type KeyPartitioner = (key: Buffer, count: number) => number;

/** The first turn of a topic begins somewhere, so that many short-lived producers do not all begin at partition 0. */
const TURNS = 2 ** 31;

function byKeyOrInTurns(ofKey: KeyPartitioner, random: Random): ICustomPartitioner {
  return () => {
    const turns = new Map<string, number>();
    return ({ topic, partitionMetadata, message }: PartitionerArgs): number => {
      const { partition } = message;
      if (partition !== undefined && partition !== null) return partition;
      const key = keyBytes(message);
      if (key !== undefined) return ofKey(key, partitionMetadata.length);
      const turn = ((turns.get(topic) ?? random.integer(TURNS)) + 1) % TURNS;
      turns.set(topic, turn);
      const led = partitionMetadata.filter(({ leader }) => leader >= 0);
      return led.length > 0 ? led[turn % led.length]!.partitionId : turn % partitionMetadata.length;
    };
  };
}

function keyBytes({ key }: Message): Buffer | undefined {
  if (key === undefined || key === null) return undefined;
  return Buffer.isBuffer(key) ? key : Buffer.from(String(key));
}

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/**
 * The hash of KafkaJS before version 2: MurmurHash2, but with products that are rounded as numbers instead of cut to 32 bits,
 * and whose remaining bytes are mixed in twice. It is kept so that keys stay where they are.
 */
export function legacyHash(bytes: Uint8Array): number {
  const size = bytes.length;
  const byte = (at: number): number => (at < size ? bytes[at]! : 0);
  let hash = SEED ^ size;
  for (let at = 0; at < size; at += 4) {
    const word = byte(at) + (byte(at + 1) << 8) + (byte(at + 2) << 16) + (byte(at + 3) << 24);
    let mixed = word * M;
    mixed ^= mixed >>> R;
    hash = (hash * M) ^ (mixed * M);
  }
  const rest = size % 4;
  const end = size - rest;
  if (rest >= 3) hash ^= byte(end + 2) << 16;
  if (rest >= 2) hash ^= byte(end + 1) << 8;
  if (rest >= 1) hash = (hash ^ byte(end)) * M;
  hash ^= hash >>> 13;
  hash *= M;
  return hash ^ (hash >>> 15);
}

const { random } = realPorts();
const byJavasHash = byKeyOrInTurns((key, count) => partitionOfKey(key, key.length, count), random);
const byLegacyHash = byKeyOrInTurns((key, count) => (legacyHash(key) & 0x7fff_ffff) % count, random);

export const Partitioners = {
  DefaultPartitioner: byJavasHash,
  LegacyPartitioner: byLegacyHash,
  /** The name of before version 2. */
  JavaCompatiblePartitioner: byJavasHash,
};
