/** An administrator's questions about records: where offsets are, and removing what lies before one. */
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { ownError } from '../errors.ts';
import { eachItem, grouped, matched, outcomeOf, partitionName } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

/**
 * An offset by what it means: where the log begins (`earliest`), where the next record goes (`latest`), the record with the
 * highest timestamp (`max-timestamp`, KIP-734), where the part on the broker's own disk begins (`earliest-local`, KIP-405),
 * the last one that is in remote storage (`latest-tiered`, KIP-1005), the first one that is not (`earliest-pending-upload`,
 * KIP-1023), or the first record at or after a time in ms since the epoch.
 */
export type OffsetSpec = keyof typeof SPECIAL_TIMESTAMPS | { readonly timestamp: number };

const SPECIAL_TIMESTAMPS = {
  latest: -1,
  earliest: -2,
  'max-timestamp': -3,
  'earliest-local': -4,
  'latest-tiered': -5,
  'earliest-pending-upload': -6,
} as const;
/** The first version of ListOffsets that knows the question; older ones would take it for a time. */
const SINCE_VERSION: Readonly<Record<string, number>> = {
  'max-timestamp': 7,
  'earliest-local': 8,
  'latest-tiered': 9,
  'earliest-pending-upload': 11,
};
/** Requests of clients, not of replicas. */
const CLIENT_REPLICA = -1;

export interface OffsetAtTime extends TopicPartition {
  /** -1 when there is no such record, for example none as young as the time. */
  readonly offset: number;
  /** In ms since the epoch; -1 where only an offset was asked for. */
  readonly timestamp: number;
  /** -1 when the broker does not say. */
  readonly leaderEpoch: number;
}

export function listOffsets(
  routes: Routes,
  questions: readonly (TopicPartition & { readonly at: OffsetSpec })[],
  options: AskOptions & { readonly isolation?: 'committed' | 'uncommitted' } = {},
): Promise<OffsetAtTime[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  return eachItem(routes, questions, {
    ...options,
    isPatient: true,
    nameOf: partitionName,
    ask: (asked) =>
      routes.leaders(asked, async (link, list) => {
        const { topics } = await link.ask({
          request: ListOffsetsRequest,
          response: ListOffsetsResponse,
          body: (version) => ({
            replicaId: CLIENT_REPLICA,
            isolationLevel: options.isolation === 'committed' ? 1 : 0,
            topics: grouped(list, ({ partition, at }) => ({
              partitionIndex: partition,
              currentLeaderEpoch: -1,
              timestamp: timestampOf(at, version),
            })).map(([name, partitions]) => ({ name, partitions })),
            timeoutMs,
          }),
        });
        return matched(list, byPartition(topics), {
          keyOf: partitionName,
          outcome: (one, { topic, partition }) =>
            outcomeOf(one, `offsets of ${topic}-${partition}`, () => {
              const { offset, timestamp, leaderEpoch } = one;
              return { topic, partition, offset, timestamp, leaderEpoch };
            }),
        });
      }),
  });
}

function timestampOf(at: OffsetSpec, version: number): number {
  if (typeof at === 'object') return at.timestamp;
  if (version < (SINCE_VERSION[at] ?? 0)) {
    throw ownError('UNSUPPORTED_API', `the broker is too old to find the offset that is ${at}`);
  }
  return SPECIAL_TIMESTAMPS[at];
}

export interface LowWatermark extends TopicPartition {
  /** Where the log begins now. */
  readonly lowWatermark: number;
}

export function deleteRecords(
  routes: Routes,
  before: readonly (TopicPartition & { readonly offset: number })[],
  options: AskOptions = {},
): Promise<LowWatermark[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  return eachItem(routes, before, {
    ...options,
    isPatient: true,
    nameOf: partitionName,
    ask: (asked) =>
      routes.leaders(asked, async (link, list) => {
        const { topics } = await link.ask({
          request: DeleteRecordsRequest,
          response: DeleteRecordsResponse,
          body: () => ({
            topics: grouped(list, ({ partition, offset }) => ({ partitionIndex: partition, offset })).map(
              ([name, partitions]) => ({ name, partitions }),
            ),
            timeoutMs,
          }),
        });
        return matched(list, byPartition(topics), {
          keyOf: partitionName,
          outcome: (one, { topic, partition }) =>
            outcomeOf(one, `records of ${topic}-${partition}`, () => {
              const { lowWatermark } = one;
              return { topic, partition, lowWatermark };
            }),
        });
      }),
  });
}

/** Answers by `topic-partition`. */
export function byPartition<P extends { readonly partitionIndex: number }>(
  topics: readonly { readonly name: string; readonly partitions: readonly P[] }[],
): Map<string, P> {
  return new Map(
    topics.flatMap(({ name: topic, partitions }) =>
      partitions.map((one) => [partitionName({ topic, partition: one.partitionIndex }), one] as const),
    ),
  );
}
