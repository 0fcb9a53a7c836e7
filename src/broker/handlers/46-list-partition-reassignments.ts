/** ListPartitionReassignments (key 46): the moves under way (KIP-455). */
import { isReassigning } from '../../metadata/controller/reassignments.ts';
import type { PartitionImage } from '../../metadata/image.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

export const listPartitionReassignments = handler(
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
  (request, context, services) => {
    requireClusterOperation(services, context, 'DESCRIBE');
    const topics = [...asked(request, services)].flatMap(([name, partitions]) => {
      const moving = partitions.filter(isReassigning);
      return moving.length === 0 ? [] : [{ name, partitions: moving.map(answer) }];
    });
    return { throttleTimeMs: 0, errorCode: Errors.NONE, errorMessage: null, topics };
  },
);

function asked(
  request: ListPartitionReassignmentsRequest,
  { image }: Services,
): Map<string, readonly PartitionImage[]> {
  const partitions = new Map<string, readonly PartitionImage[]>();
  if (request.topics === null) {
    for (const topic of image.topics.values()) partitions.set(topic.name, topic.partitions);
    return partitions;
  }
  for (const { name, partitionIndexes } of request.topics) {
    const topic = image.topics.get(name);
    if (topic === undefined) continue;
    const wanted = new Set(partitionIndexes);
    partitions.set(
      name,
      topic.partitions.filter((partition) => wanted.has(partition.partition)),
    );
  }
  return partitions;
}

function answer({ partition, replicas, addingReplicas, removingReplicas }: PartitionImage) {
  return { partitionIndex: partition, replicas, addingReplicas, removingReplicas };
}
