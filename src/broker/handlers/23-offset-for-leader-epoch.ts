/** OffsetForLeaderEpoch: where a leader epoch ended, so that clients notice a log that was cut back (KIP-320). */
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { authorize, mayTopic } from '../authorization.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';
import { checkEpoch } from './02-list-offsets.ts';

type PartitionRequest = OffsetForLeaderEpochRequest['topics'][number]['partitions'][number];

const DEBUGGING_REPLICA = -2;
const UNKNOWN = { leaderEpoch: -1, endOffset: -1 };

export const offsetForLeaderEpoch = handler(
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
  (request, context, services) => {
    const mayAll = authorize(services, context, { operation: 'CLUSTER_ACTION', resource: 'CLUSTER' });
    const leaderOnly = request.replicaId !== DEBUGGING_REPLICA;
    return {
      throttleTimeMs: 0,
      topics: request.topics.map(({ topic, partitions }) => {
        const may = mayAll || mayTopic(services, context, 'DESCRIBE', topic);
        return {
          topic,
          partitions: partitions.map((one) => ({
            partition: one.partition,
            ...(may
              ? endOf(topic, one, leaderOnly, services)
              : { errorCode: Errors.TOPIC_AUTHORIZATION_FAILED, ...UNKNOWN }),
          })),
        };
      }),
    };
  },
);

function endOf(
  topic: string,
  request: PartitionRequest,
  leaderOnly: boolean,
  services: Services,
): { errorCode: ErrorCode; leaderEpoch: number; endOffset: number } {
  const { partition: index, currentLeaderEpoch, leaderEpoch } = request;
  const partition = services.partitions.get(topic, index);
  if (partition === undefined) {
    const exists = services.image.topics.get(topic)?.partitions[index] !== undefined;
    const errorCode = exists ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    return { errorCode, ...UNKNOWN };
  }
  const errorCode = checkEpoch(partition, currentLeaderEpoch, leaderOnly);
  if (errorCode !== Errors.NONE) return { errorCode, ...UNKNOWN };
  const { epoch, endOffset } = partition.log!.endOffsetForEpoch(leaderEpoch);
  return { errorCode, leaderEpoch: epoch, endOffset };
}
