/** An administrator's questions about who has and who leads a partition: reassignments and elections. */
import { Errors } from '../../protocol/errors.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/messages/43-elect-leaders.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { ownError } from '../errors.ts';
import { wholeFault } from './cluster.ts';
import { AdminError, eachItem, grouped, matched, outcomeOf, partitionName, type Outcome } from './items.ts';
import { byPartition } from './records.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface Reassignment extends TopicPartition {
  /** Who is to have the partition, the preferred leader first; null ends the reassignment that is under way. */
  readonly replicas: readonly number[] | null;
}

export async function alterReassignments(
  routes: Routes,
  reassignments: readonly Reassignment[],
  options: AskOptions & {
    /** Whether there may be more or fewer replicas afterwards (KIP-860). Default: true. */
    readonly mayChangeReplicationFactor?: boolean;
  } = {},
): Promise<void> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  const { mayChangeReplicationFactor = true } = options;
  await eachItem(routes, reassignments, {
    ...options,
    nameOf: partitionName,
    ask: async (asked) => {
      const answer = await routes.askController({
        request: AlterPartitionReassignmentsRequest,
        response: AlterPartitionReassignmentsResponse,
        body: (version) => {
          if (version < 1 && !mayChangeReplicationFactor) {
            throw ownError('UNSUPPORTED_API', 'the broker is too old to insist on the replication factor');
          }
          return {
            timeoutMs,
            allowReplicationFactorChange: mayChangeReplicationFactor,
            topics: grouped(asked, ({ partition, replicas }) => ({
              partitionIndex: partition,
              replicas,
            })).map(([name, partitions]) => ({ name, partitions })),
          };
        },
      });
      const whole = outcomeOf(answer, 'reassigning partitions', () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      return matched(asked, byPartition(answer.responses), {
        keyOf: partitionName,
        outcome: (one, of) => outcomeOf(one, `reassigning ${partitionName(of)}`, () => undefined),
      });
    },
  });
}

export interface OngoingReassignment extends TopicPartition {
  /** All that have the partition now, those that come and those that go among them. */
  readonly replicas: readonly number[];
  readonly addingReplicas: readonly number[];
  readonly removingReplicas: readonly number[];
}

/** Those under way, of these partitions or of all. */
export async function listReassignments(
  routes: Routes,
  options: AskOptions & { readonly partitions?: readonly TopicPartition[] } = {},
): Promise<OngoingReassignment[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  const { partitions } = options;
  const asked =
    partitions === undefined
      ? null
      : grouped(partitions, ({ partition }) => partition).map(([name, partitionIndexes]) => ({
          name,
          partitionIndexes,
        }));
  const { topics } = await routes.controller(
    {
      request: ListPartitionReassignmentsRequest,
      response: ListPartitionReassignmentsResponse,
      body: () => ({ timeoutMs, topics: asked }),
    },
    (answer) => wholeFault(answer, 'listing reassignments'),
    options,
  );
  return topics.flatMap(({ name: topic, partitions: list }) =>
    list.map(({ partitionIndex: partition, replicas, addingReplicas, removingReplicas }) => ({
      topic,
      partition,
      replicas,
      addingReplicas,
      removingReplicas,
    })),
  );
}

const ELECTION_TYPES = { preferred: 0, unclean: 1 } as const;

export interface ElectionResult extends TopicPartition {
  /** False where the leader was the right one already. */
  readonly isElected: boolean;
}

/**
 * Elects the preferred replicas, or with `unclean` any that lives where none in sync does: then acknowledged records may be
 * lost. Of these partitions; for null of all that need it.
 */
export async function electLeaders(
  routes: Routes,
  election: {
    readonly type?: keyof typeof ELECTION_TYPES;
    readonly partitions: readonly TopicPartition[] | null;
  },
  options: AskOptions = {},
): Promise<ElectionResult[]> {
  const { requestTimeoutMs: timeoutMs } = routes.core.settings;
  const electionType = ELECTION_TYPES[election.type ?? 'preferred'];
  const ask = async (partitions: readonly TopicPartition[] | null): Promise<ElectLeadersResponse> =>
    routes.askController({
      request: ElectLeadersRequest,
      response: ElectLeadersResponse,
      body: (version) => {
        if (version < 1 && electionType !== ELECTION_TYPES.preferred) {
          throw ownError('UNSUPPORTED_API', 'the broker is too old for unclean elections');
        }
        const topicPartitions =
          partitions === null
            ? null
            : grouped(partitions, ({ partition }) => partition).map(([topic, list]) => ({
                topic,
                partitions: list,
              }));
        return { electionType, topicPartitions, timeoutMs };
      },
    });
  if (election.partitions === null) {
    return routes.repeat(async () => {
      const answer = await ask(null);
      const whole = outcomeOf(answer, 'electing leaders', () => undefined);
      if ('error' in whole) throw whole.error;
      return electedOf(answer);
    }, options);
  }
  return eachItem(routes, election.partitions, {
    ...options,
    nameOf: partitionName,
    ask: async (asked) => {
      const answer = await ask(asked);
      const whole = outcomeOf(answer, 'electing leaders', () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      const answers = new Map(resultsOf(answer).map((one) => [partitionName(one), one]));
      return matched(asked, answers, { keyOf: partitionName, outcome: electionOutcome });
    },
  });
}

type PartitionResult = TopicPartition & { readonly errorCode: number; readonly errorMessage: string | null };

function resultsOf({ replicaElectionResults }: ElectLeadersResponse): PartitionResult[] {
  return replicaElectionResults.flatMap(({ topic, partitionResult }) =>
    partitionResult.map(({ partitionId: partition, errorCode, errorMessage }) => ({
      topic,
      partition,
      errorCode,
      errorMessage,
    })),
  );
}

function electionOutcome(one: PartitionResult): Outcome<ElectionResult> {
  const { topic, partition } = one;
  if (one.errorCode === Errors.ELECTION_NOT_NEEDED) return { value: { topic, partition, isElected: false } };
  return outcomeOf(one, `electing the leader of ${topic}-${partition}`, () => ({
    topic,
    partition,
    isElected: true,
  }));
}

/** What an election of all partitions has come to. Throws AdminError. */
function electedOf(answer: ElectLeadersResponse): ElectionResult[] {
  const outcomes = resultsOf(answer).map((one) => ({
    item: partitionName(one),
    outcome: electionOutcome(one),
  }));
  const results = outcomes.flatMap(({ outcome }) => ('value' in outcome ? [outcome.value] : []));
  const failures = outcomes.flatMap(({ item, outcome }) =>
    'error' in outcome ? [{ item, error: outcome.error }] : [],
  );
  if (failures.length > 0) throw new AdminError(failures, results);
  return results.filter(({ isElected }) => isElected);
}
