/** Replica assignments given by hand, in CreateTopics, CreatePartitions and AlterPartitionReassignments. */
import { Errors } from '../../protocol/errors.ts';
import type { ClusterImage } from '../image.ts';
import { refusal, type Outcome } from '../outcome.ts';

/** Undefined: the assignment is good. `replicationFactor`: what earlier partitions of the topic have. */
export function assignmentProblem(
  image: ClusterImage,
  replicas: readonly number[],
  replicationFactor?: number,
): Outcome | undefined {
  const about = 'The manual partition assignment includes';
  const invalid = (message: string): Outcome => refusal(Errors.INVALID_REPLICA_ASSIGNMENT, message);
  if (replicas.length === 0) return invalid(`${about} an empty replica list.`);
  const sorted = [...replicas].sort((a, b) => a - b);
  for (const [n, id] of sorted.entries()) {
    if (!image.brokers.has(id)) {
      return invalid(`${about} broker ${id}, but no such broker is registered.`);
    }
    if (n > 0 && sorted[n - 1] === id) return invalid(`${about} the broker ${id} more than once.`);
  }
  if (replicationFactor !== undefined && replicas.length !== replicationFactor) {
    return invalid(
      `${about} a partition with ${replicas.length} replica(s), but this is not consistent with previous ` +
        `partitions, which have ${replicationFactor} replica(s).`,
    );
  }
  return undefined;
}
