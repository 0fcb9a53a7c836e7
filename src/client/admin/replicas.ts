/** An administrator's questions about replicas: where they lie, where they are to go, and which of them lead. */
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../protocol/messages/34-alter-replica-log-dirs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { brokerError, type KafkaError } from '../errors.ts';
import { Errors } from '../../protocol/errors.ts';
import { apart, eachItem, grouped, matched, outcomeOf, partitionName } from './items.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface ReplicaInLogDir extends TopicPartition {
  readonly sizeBytes: number;
  /** Records behind: of a future replica behind the current one, of others behind the high watermark. */
  readonly offsetLag: number;
  /** A copy on its way here from another directory of the broker (KIP-113). */
  readonly isFuture: boolean;
}

export interface LogDirDescription {
  readonly path: string;
  /** Null for one that works; KAFKA_STORAGE_ERROR for one that is offline. */
  readonly error: KafkaError | null;
  /** Of the volume; -1 when the broker does not say (KIP-827). */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly replicas: readonly ReplicaInLogDir[];
}

export interface BrokerLogDirs {
  readonly brokerId: number;
  readonly directories: readonly LogDirDescription[];
}

export async function describeLogDirs(
  routes: Routes,
  options: AskOptions & {
    /** Of all brokers that are alive unless given. */
    readonly brokerIds?: readonly number[];
    /** With these partitions alone; with all unless given. */
    readonly partitions?: readonly TopicPartition[];
  } = {},
): Promise<BrokerLogDirs[]> {
  const { partitions } = options;
  const topics =
    partitions === undefined
      ? null
      : grouped(partitions, ({ partition }) => partition).map(([topic, list]) => ({
          topic,
          partitions: list,
        }));
  return eachItem(routes, options.brokerIds ?? (await routes.nodeIds()), {
    ...options,
    nameOf: String,
    ask: (brokerIds) =>
      apart(brokerIds, async (brokerId) => {
        const answer = await routes.askBroker(brokerId, {
          request: DescribeLogDirsRequest,
          response: DescribeLogDirsResponse,
          body: () => ({ topics }),
        });
        return outcomeOf(answer, `log directories of broker ${brokerId}`, () => ({
          brokerId,
          directories: answer.results.map(directoryOf),
        }));
      }),
  });
}

function directoryOf(result: DescribeLogDirsResponse['results'][number]): LogDirDescription {
  const { errorCode, logDir: path, totalBytes, usableBytes, topics } = result;
  return {
    path,
    error: errorCode === Errors.NONE ? null : brokerError(errorCode, `log directory ${path}`),
    totalBytes,
    usableBytes,
    replicas: topics.flatMap(({ name: topic, partitions }) =>
      partitions.map((one) => ({
        topic,
        partition: one.partitionIndex,
        sizeBytes: one.partitionSize,
        offsetLag: one.offsetLag,
        isFuture: one.isFutureKey,
      })),
    ),
  };
}

export interface ReplicaMove extends TopicPartition {
  readonly brokerId: number;
  /** The log directory that the replica is to lie in, as `describeLogDirs` names it. */
  readonly path: string;
}

export async function alterReplicaLogDirs(
  routes: Routes,
  moves: readonly ReplicaMove[],
  options: AskOptions = {},
): Promise<void> {
  const nameOf = (move: ReplicaMove): string => `${partitionName(move)} on broker ${move.brokerId}`;
  await eachItem(routes, moves, {
    ...options,
    nameOf,
    ask: async (asked) => {
      const byBroker = [...Map.groupBy(asked, ({ brokerId }) => brokerId)];
      const answers = await apart(byBroker, async ([brokerId, list]) => {
        const { results } = await routes.askBroker(brokerId, {
          request: AlterReplicaLogDirsRequest,
          response: AlterReplicaLogDirsResponse,
          body: () => ({
            dirs: [...Map.groupBy(list, ({ path }) => path)].map(([path, ofPath]) => ({
              path,
              topics: grouped(ofPath, ({ partition }) => partition).map(([name, partitions]) => ({
                name,
                partitions,
              })),
            })),
          }),
        });
        return { value: results };
      });
      const failed = new Map<number, KafkaError>();
      const answered = new Map<string, { readonly errorCode: number }>();
      byBroker.forEach(([brokerId], n) => {
        const answer = answers[n]!;
        if ('error' in answer) return void failed.set(brokerId, answer.error);
        for (const { topicName: topic, partitions } of answer.value) {
          for (const one of partitions) {
            answered.set(nameOf({ topic, partition: one.partitionIndex, brokerId, path: '' }), one);
          }
        }
      });
      return asked.map((move) => {
        const error = failed.get(move.brokerId);
        if (error !== undefined) return { error };
        const outcome = (one: { readonly errorCode: number }) =>
          outcomeOf(one, `moving ${nameOf(move)} to ${move.path}`, () => undefined);
        return matched([move], answered, { keyOf: nameOf, outcome })[0]!;
      });
    },
  });
}
