/**
 * The values of the metadata store: one message per kind of key, written in the language of protocol/schema.ts. A value
 * is its version (int16) and then the message at that version; versions are flexible, so a field can be added as a
 * tagged field without a new version, and a broker of the previous release still reads what a newer one wrote.
 */
import { codec } from '../protocol/compile.ts';
import {
  array,
  bool,
  bytes,
  ends,
  covers,
  int16,
  int8,
  int32,
  int64,
  message,
  nullable,
  string,
  struct,
  tagged,
  uuid,
  type Message,
  type Read,
} from '../protocol/schema.ts';
import { ProtocolError, Reader, Writer } from '../protocol/wire.ts';

const LAYOUT = { versions: '0', flexible: '0+' } as const;

export const ClusterRecord = message('ClusterRecord', LAYOUT, {
  /** 22 characters of base64url. */
  clusterId: string,
});

/** Put with the session of the broker that acts as controller. Its create revision is the controller epoch. */
export const ControllerRecord = message('ControllerRecord', LAYOUT, { nodeId: int32 });

/** What a broker last said about itself; stays when the broker is gone, which is what Kafka calls fenced. */
export const NodeRecord = message('NodeRecord', LAYOUT, {
  rack: nullable(string),
  endpoints: array(struct({ listener: string, host: string, port: int32, securityProtocol: string })),
  /** Ids of the log directories that are online. */
  directories: array(uuid),
});
export type NodeRecord = Read<typeof NodeRecord>;

/** Put with the broker's session: the broker is alive. Its create revision is the broker epoch. */
export const BrokerRecord = message('BrokerRecord', LAYOUT, {
  /** A new id for each start of the process. */
  incarnationId: uuid,
  /** The broker is about to stop: others are to lead what it leads (controlled shutdown). */
  isStopping: tagged(0, bool),
});
export type BrokerRecord = Read<typeof BrokerRecord>;

/** A topic as it was created, with all its partitions, so that creating it is one put. See PartitionRecord. */
export const TopicRecord = message('TopicRecord', LAYOUT, {
  topicId: uuid,
  partitions: array(struct({ replicas: array(int32), isr: array(int32), directories: array(uuid) })),
});
export type TopicRecord = Read<typeof TopicRecord>;

/** A partition's state since it first changed; before that it follows from the TopicRecord. */
export const PartitionRecord = message('PartitionRecord', LAYOUT, {
  replicas: array(int32),
  isr: array(int32),
  elr: array(int32),
  lastKnownElr: array(int32),
  addingReplicas: array(int32),
  removingReplicas: array(int32),
  directories: array(uuid),
  /** -1: none. */
  leader: int32,
  leaderEpoch: int32,
  partitionEpoch: int32,
  /** The leader was elected uncleanly and has not said yet that it cut its log (KIP-704). */
  isLeaderRecovering: bool,
});
export type PartitionRecord = Read<typeof PartitionRecord>;

export const ConfigsRecord = message('ConfigsRecord', LAYOUT, {
  entries: array(struct({ name: string, value: string })),
});

export const FeaturesRecord = message('FeaturesRecord', LAYOUT, {
  levels: array(struct({ name: string, level: int16 })),
});

export const ProducerIdsRecord = message('ProducerIdsRecord', LAYOUT, { nextProducerId: int64 });

/** Random bytes, made once for the cluster. Never logged, and in no answer of any API. */
export const InterBrokerSecretRecord = message('InterBrokerSecretRecord', LAYOUT, { secret: bytes });

/** What is kept of a user's passwords, one entry for each SCRAM mechanism (by its code in KIP-554). Never logged. */
export const ScramUserRecord = message('ScramUserRecord', LAYOUT, {
  credentials: array(
    struct({ mechanism: int8, iterations: int32, salt: bytes, storedKey: bytes, serverKey: bytes }),
  ),
});
export type ScramUserRecord = Read<typeof ScramUserRecord>;

/** The value at the newest version. */
export function encodeRecord<R, W>(record: Message<R, W>, value: W): Buffer {
  const version = ends(record.versions).max;
  const writer = new Writer(64);
  writer.int16(version);
  codec(record, version).write(writer, value);
  return writer.toBuffer();
}

/** Throws ProtocolError for a version from the future or bytes that are not a value. */
export function decodeRecord<R, W>(record: Message<R, W>, value: Buffer): R {
  const reader = new Reader(value);
  const version = reader.int16();
  if (!covers(record.versions, version)) {
    throw new ProtocolError(`${record.name} version ${version} is not known to this release`);
  }
  const decoded = codec(record, version).read(reader);
  if (reader.remaining() !== 0) throw new ProtocolError(`${reader.remaining()} bytes after ${record.name}`);
  return decoded;
}
