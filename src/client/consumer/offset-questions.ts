/** Questions about offsets, to the leader of the partitions: where a time is (ListOffsets), where an epoch ends (KIP-320). */
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import type { BrokerLink } from '../connection/broker-link.ts';
import { ownError } from '../errors.ts';
import type { Start } from './options.ts';

const LATEST = -1;
const EARLIEST = -2;
/** Requests of consumers, not of replicas. */
const CONSUMER_REPLICA = -1;

export function timestampOf(start: Exclude<Start, number>): number {
  if (start === 'latest') return LATEST;
  return start === 'earliest' ? EARLIEST : start.timestamp;
}

export interface OffsetQuestion {
  readonly topic: string;
  readonly index: number;
  readonly leaderEpoch: number;
  /** LATEST, EARLIEST, or ms since the epoch. */
  readonly timestamp: number;
}

export interface OffsetAnswer {
  readonly errorCode: number;
  /** -1: there is no record at or after the time. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly timestamp: number;
}

/** In the order of the questions, all of which go to one broker. */
export async function listOffsets(
  link: BrokerLink,
  questions: readonly OffsetQuestion[],
  options: { readonly isCommittedOnly: boolean; readonly timeoutMs: number },
): Promise<OffsetAnswer[]> {
  const { topics } = await link.ask({
    request: ListOffsetsRequest,
    response: ListOffsetsResponse,
    body: () => ({
      replicaId: CONSUMER_REPLICA,
      isolationLevel: options.isCommittedOnly ? 1 : 0,
      topics: grouped(questions, ({ index, leaderEpoch, timestamp }) => ({
        partitionIndex: index,
        currentLeaderEpoch: leaderEpoch,
        timestamp,
      })).map(([name, partitions]) => ({ name, partitions })),
      timeoutMs: options.timeoutMs,
    }),
  });
  return questions.map(({ topic, index }) => {
    for (const { name, partitions } of topics) {
      if (name !== topic) continue;
      for (const one of partitions) if (one.partitionIndex === index) return one;
    }
    throw missing(topic, index);
  });
}

export interface EpochQuestion {
  readonly topic: string;
  readonly index: number;
  /** Of the leader, as the client knows it. */
  readonly currentLeaderEpoch: number;
  /** Of the last record that was read. */
  readonly leaderEpoch: number;
}

export interface EpochAnswer {
  readonly errorCode: number;
  readonly leaderEpoch: number;
  /** Where the epoch ends in the leader's log; -1 when it does not know it. */
  readonly endOffset: number;
}

/** As `listOffsets`. */
export async function endOfEpochs(
  link: BrokerLink,
  questions: readonly EpochQuestion[],
): Promise<EpochAnswer[]> {
  const { topics } = await link.ask({
    request: OffsetForLeaderEpochRequest,
    response: OffsetForLeaderEpochResponse,
    body: () => ({
      replicaId: CONSUMER_REPLICA,
      topics: grouped(questions, ({ index, currentLeaderEpoch, leaderEpoch }) => ({
        partition: index,
        currentLeaderEpoch,
        leaderEpoch,
      })).map(([topic, partitions]) => ({ topic, partitions })),
    }),
  });
  return questions.map(({ topic, index }) => {
    for (const one of topics) {
      if (one.topic !== topic) continue;
      for (const partition of one.partitions) if (partition.partition === index) return partition;
    }
    throw missing(topic, index);
  });
}

/** By topic, in their order. */
function grouped<Q extends { readonly topic: string }, T>(
  questions: readonly Q[],
  of: (one: Q) => T,
): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const one of questions) {
    const list = topics.get(one.topic);
    if (list === undefined) topics.set(one.topic, [of(one)]);
    else list.push(of(one));
  }
  return [...topics];
}

function missing(topic: string, index: number): Error {
  return ownError('INVALID_ANSWER', `no answer for ${topic}-${index}`);
}
