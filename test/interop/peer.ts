// What every foreign client is made to do, in one shape: the scenario speaks to a Peer, and each client library is driven
// through an implementation of it (in this process, or in one of its own: process-peer.ts).
import { PeerMissing } from '../../scripts/peer-cache.ts';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface SentRecord {
  partition: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: [string, Buffer | null][];
  /** ms since 1970 */
  timestamp: number;
}

export interface ReadRecord extends SentRecord {
  offset: number;
}

/** Where a read begins: an offset, the earliest record, or the first record at or after a time (ms). */
export type Start = number | 'earliest' | { timestamp: number };

export interface TakenRecord {
  partition: number;
  offset: number;
  value: string;
}

export interface Member {
  /** the partitions it holds now, ascending */
  assignment(): Promise<number[]>;
  /** all it has consumed, in order */
  taken(): Promise<TakenRecord[]>;
  /** commits and leaves the group */
  leave(): Promise<void>;
}

export interface JoinOptions {
  /** a classic group's assignor, by Kafka's name for it: range, roundrobin, sticky, cooperative-sticky */
  strategy?: string;
  /** group.protocol: consumer = KIP-848 */
  protocol?: 'classic' | 'consumer';
  /** the server-side assignor of the consumer protocol */
  assignor?: string;
  /** group.instance.id */
  instance?: string;
}

export interface CommittedOffset {
  partition: number;
  offset: number;
  metadata: string;
}

export interface Peer {
  createTopic(topic: string, partitions: number, configs: Record<string, string>): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  topics(): Promise<string[]>;
  partitionCount(topic: string): Promise<number>;
  topicConfigs(topic: string): Promise<Record<string, string | null>>;
  alterTopicConfig(topic: string, name: string, value: string): Promise<void>;
  /** resolves once all records are acknowledged by all in-sync replicas */
  produce(topic: string, records: SentRecord[], options?: { compression?: Compression }): Promise<void>;
  /** reads exactly `count` records of a partition */
  read(topic: string, partition: number, start: Start, count: number): Promise<ReadRecord[]>;
  /** the first offset whose timestamp is at or after the given one; -1 when there is none */
  offsetAt(topic: string, partition: number, timestamp: number): Promise<number>;
  join(group: string, topic: string, options?: JoinOptions): Promise<Member>;
  commit(group: string, topic: string, offsets: CommittedOffset[]): Promise<void>;
  /** ascending by partition; only partitions with a committed offset */
  committed(group: string, topic: string): Promise<CommittedOffset[]>;
  close(): Promise<void>;
}

/** An operation or codec that a client library does not have; the scenario names it instead of trying it. */
export type Lack =
  | keyof Peer
  | Compression
  | 'nullKey'
  /** empty keys, values and headers, told from absent ones */
  | 'emptyBytes'
  /** neither key nor value */
  | 'emptyRecord'
  | 'headers'
  | 'nullHeader'
  | 'timestamps'
  | 'commitMetadata'
  /** in a rebalance it drops what lies in its buffers, rather than hand it over a second time */
  | 'cleanHandover';

/** A test's options for a peer that may be impossible to have: undefined when it is there. With CI=true it must be. */
export async function obtain<T>(install: () => Promise<T>): Promise<{ installed?: T; skip?: string }> {
  try {
    return { installed: await install() };
  } catch (error) {
    if (!(error instanceof PeerMissing) || process.env['CI'] === 'true') throw error;
    return { skip: `SKIP ${error.message}` };
  }
}
