/** AlterPartitionReassignments (key 45): moves partitions to other replicas, or stops doing so (KIP-455, KIP-860). */
import type { Reassignment } from '../../metadata/controller/reassignments.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';

export const alterPartitionReassignments = handler(
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
  async (request, context, services) => {
    requireClusterOperation(services, context, 'ALTER');
    const { allowReplicationFactorChange, timeoutMs } = request;
    const requests = request.topics.flatMap(({ name, partitions }): Reassignment[] =>
      partitions.map(({ partitionIndex, replicas }) => ({
        topic: name,
        partition: partitionIndex,
        replicas,
      })),
    );
    const options = { allowReplicationFactorChange, timeoutMs };
    const outcomes = await services.controller.alterReassignments(requests, options);
    let next = 0;
    return {
      throttleTimeMs: 0,
      allowReplicationFactorChange,
      errorCode: Errors.NONE,
      errorMessage: null,
      responses: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, ...outcomes[next++] })),
      })),
    };
  },
);
