/** DescribeTopicPartitions (key 75): topics by name, a bounded number of partitions at a time (KIP-966). */
import { ZERO_UUID } from '../../base/uuid.ts';
import type { ClusterImage, PartitionImage } from '../../metadata/image.ts';
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-names.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../protocol/messages/75-describe-topic-partitions.ts';
import type { Write } from '../../protocol/schema.ts';
import { mayTopic } from '../authorization.ts';
import { authorizedOperations } from '../authorized-operations.ts';
import { handler } from '../handler.ts';
import { brokerNode, offlineReplicas } from '../topic-description.ts';

type TopicAnswer = Write<typeof DescribeTopicPartitionsResponse>['topics'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];

export const describeTopicPartitions = handler(
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
  (request, context, services) => {
    const { image } = services;
    const isAll = request.topics.length === 0;
    const asked = isAll ? image.topics.keys() : request.topics.map((topic) => topic.name);
    const names = wanted(asked, request.cursor, isAll);
    const limit = services.settings().network.maxRequestPartitionSizeLimit;
    let room = Math.max(Math.min(limit, request.responsePartitionLimit), 1);
    const topics: TopicAnswer[] = [];
    const hidden: TopicAnswer[] = [];
    let nextCursor: { topicName: string; partitionIndex: number } | null = null;
    for (const name of names) {
      if (!mayTopic(services, context, 'DESCRIBE', name)) {
        if (!isAll) hidden.push(failed(Errors.TOPIC_AUTHORIZATION_FAILED, name));
        continue;
      }
      if (nextCursor !== null) continue;
      if (room === 0) {
        nextCursor = { topicName: name, partitionIndex: 0 };
        continue;
      }
      const topic = image.topics.get(name);
      const topicAuthorizedOperations = authorizedOperations(services, context, 'TOPIC', name);
      if (topic === undefined) {
        if (isAll) continue;
        const isInvalid = topicNameProblem(name) !== undefined;
        const code = isInvalid ? Errors.INVALID_TOPIC_EXCEPTION : Errors.UNKNOWN_TOPIC_OR_PARTITION;
        topics.push({ ...failed(code, name), topicAuthorizedOperations });
        continue;
      }
      const from = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0;
      const part = topic.partitions.slice(from, from + room);
      const { id: topicId, isInternal } = topic;
      const partitions = part.map((partition) => partitionAnswer(image, partition, context.listener));
      topics.push({
        errorCode: Errors.NONE,
        name,
        topicId,
        isInternal,
        partitions,
        topicAuthorizedOperations,
      });
      room -= part.length;
      const next = from + part.length;
      if (next < topic.partitions.length) nextCursor = { topicName: name, partitionIndex: next };
    }
    return { throttleTimeMs: 0, topics: [...topics, ...hidden], nextCursor };
  },
);

/** Names from the cursor on, sorted: the order in which a client that comes back with a cursor goes on. */
function wanted(
  asked: Iterable<string>,
  cursor: DescribeTopicPartitionsRequest['cursor'],
  isAll: boolean,
): string[] {
  const from = cursor?.topicName ?? '';
  const names = new Set<string>();
  for (const name of asked) if (name >= from) names.add(name);
  if (cursor !== null && !isAll && !names.has(cursor.topicName)) {
    const message = 'DescribeTopicPartitionsRequest topic list should contain the cursor topic: ';
    throw new KafkaError(Errors.INVALID_REQUEST, message + cursor.topicName);
  }
  if (cursor !== null && cursor.partitionIndex < 0) {
    const message = `DescribeTopicPartitionsRequest cursor partition must be valid: ${cursor.partitionIndex}`;
    throw new KafkaError(Errors.INVALID_REQUEST, message);
  }
  return [...names].sort();
}

function failed(errorCode: number, name: string): TopicAnswer {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: isInternalTopic(name), partitions: [] };
}

function partitionAnswer(image: ClusterImage, partition: PartitionImage, listener: string): PartitionAnswer {
  return {
    errorCode: Errors.NONE,
    partitionIndex: partition.partition,
    leaderId: brokerNode(image, partition.leader, listener)?.nodeId ?? -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: partition.replicas,
    isrNodes: partition.isr,
    eligibleLeaderReplicas: partition.elr,
    lastKnownElr: partition.lastKnownElr,
    offlineReplicas: offlineReplicas(image, partition, listener),
  };
}
