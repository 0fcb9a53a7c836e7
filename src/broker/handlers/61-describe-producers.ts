/** DescribeProducers: who produces to a partition, and which transactions are open there (KIP-664). */
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../protocol/messages/61-describe-producers.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import type { Write } from '../../protocol/schema.ts';
import { mayTopic } from '../authorization.ts';
import { handler } from '../handler.ts';
import { topicNameProblem } from '../../metadata/topic-names.ts';
import type { Services } from '../services.ts';

type PartitionResponse = Write<typeof DescribeProducersResponse>['topics'][number]['partitions'][number];

export const describeProducers = handler(
  DescribeProducersRequest,
  DescribeProducersResponse,
  (request, context, services) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitionIndexes }) => {
      const may = mayTopic(services, context, 'READ', name);
      return {
        name,
        partitions: partitionIndexes.map((index) =>
          may ? describe(name, index, services) : failure(index, Errors.TOPIC_AUTHORIZATION_FAILED),
        ),
      };
    }),
  }),
);

function describe(topic: string, index: number, services: Services): PartitionResponse {
  const partition = services.partitions.get(topic, index);
  if (partition === undefined) {
    const exists = services.image.topics.get(topic)?.partitions[index] !== undefined;
    if (exists) return failure(index, Errors.NOT_LEADER_OR_FOLLOWER);
    const fault = topicNameProblem(topic);
    if (fault !== undefined) return failure(index, Errors.INVALID_TOPIC_EXCEPTION, fault);
    return failure(
      index,
      Errors.UNKNOWN_TOPIC_OR_PARTITION,
      'This server does not host this topic-partition.',
    );
  }
  const errorCode = partition.check(-1);
  if (errorCode !== Errors.NONE) return failure(index, errorCode);
  return {
    partitionIndex: index,
    errorCode,
    errorMessage: null,
    activeProducers: partition.log!.activeProducers(),
  };
}

function failure(
  partitionIndex: number,
  errorCode: ErrorCode,
  errorMessage: string | null = null,
): PartitionResponse {
  return { partitionIndex, errorCode, errorMessage, activeProducers: [] };
}
