/**
 * Moving partitions to other replicas (KIP-455). New replicas are added first; the ones to go leave when the new ones are
 * in sync, which `finishedReassignment` decides on a change of the in-sync set, and when brokers come and go. A target
 * that needs no new replica is reached at once, unless the records would then be on fewer replicas than the topic's
 * minimum of in-sync ones: whoever is to go stays until there are others.
 */
import { Errors } from '../../protocol/errors.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import type { ClusterImage, PartitionImage } from '../image.ts';
import { Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import { assignmentProblem } from './assignment.ts';
import type { LeadershipRules } from './leadership-rules.ts';
import { mayLead, putPartition, type PartitionUpdate } from './partition-change.ts';

export interface Reassignment {
  readonly topic: string;
  readonly partition: number;
  /** Null: stop the one under way. */
  readonly replicas: readonly number[] | null;
}

export function isReassigning(partition: PartitionImage): boolean {
  return partition.addingReplicas.length > 0 || partition.removingReplicas.length > 0;
}

export interface ReassignmentRules {
  readonly rules: Pick<LeadershipRules, 'minInsyncReplicas'>;
  /** KIP-860. */
  readonly allowReplicationFactorChange: boolean;
}

/** One operation a partition. */
export function alterReassignments(
  image: ClusterImage,
  requests: readonly Reassignment[],
  { rules, allowReplicationFactorChange }: ReassignmentRules,
): Decision<Outcome[]> {
  const change = new Change();
  const altered = new Set<PartitionImage>();
  const results = requests.map((request): Outcome => {
    const topic = image.topics.get(request.topic);
    if (topic === undefined) {
      const message = `Unable to find a topic named ${request.topic}.`;
      return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, message);
    }
    const partition = topic.partitions[request.partition];
    if (partition === undefined) {
      const message = `Unable to find partition ${request.topic}:${request.partition}.`;
      return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, message);
    }
    if (altered.has(partition)) {
      return refusal(Errors.INVALID_REQUEST, 'The partition is in the request more than once.');
    }
    const update =
      request.replicas === null
        ? cancelled(image, request, partition)
        : begun(image, partition, {
            target: request.replicas,
            allowReplicationFactorChange,
            minInsyncReplicas: rules.minInsyncReplicas(topic.name),
          });
    if ('errorCode' in update) return update;
    if (Object.keys(update).length > 0) {
      altered.add(partition);
      putPartition(change, image, topic, partition, update);
    }
    return SUCCESS;
  });
  return change.decide(results);
}

interface Beginning {
  readonly target: readonly number[];
  readonly allowReplicationFactorChange: boolean;
  readonly minInsyncReplicas: number;
}

function begun(
  image: ClusterImage,
  partition: PartitionImage,
  { target, allowReplicationFactorChange, minInsyncReplicas }: Beginning,
): PartitionUpdate | Outcome {
  const problem = assignmentProblem(image, target);
  if (problem !== undefined) return problem;
  const goal = partition.replicas.filter((id) => !partition.removingReplicas.includes(id));
  if (!allowReplicationFactorChange && goal.length !== target.length) {
    const message = `The replication factor is changed from ${goal.length} to ${target.length}`;
    return refusal(Errors.INVALID_REPLICATION_FACTOR, message);
  }
  const settled = partition.replicas.filter((id) => !isCandidate(partition, target, id));
  const adding = target.filter((id) => !settled.includes(id));
  const removing = settled.filter((id) => !target.includes(id));
  const replicas = [...target, ...removing];
  const update = { replicas, addingReplicas: adding, removingReplicas: removing };
  const finished = finishedReassignment(image, { ...partition, ...update }, minInsyncReplicas);
  const result = { ...update, ...finished };
  const isSame =
    result.replicas.join() === partition.replicas.join() &&
    result.addingReplicas.join() === partition.addingReplicas.join() &&
    result.removingReplicas.join() === partition.removingReplicas.join();
  if (isSame) return {};
  return { ...result, directories: directoriesAfter(image, partition, result.replicas) };
}

/**
 * A replica that an earlier reassignment was still adding is no more than a candidate. One that is in sync already, or may
 * be elected, counts among those that have the records: it is not dropped before the others have them.
 */
function isCandidate(partition: PartitionImage, target: readonly number[], nodeId: number): boolean {
  if (!partition.addingReplicas.includes(nodeId)) return false;
  return target.includes(nodeId) || ![...partition.isr, ...partition.elr].includes(nodeId);
}

/**
 * What to change when the new replicas are in sync; undefined: not yet. As many in-sync replicas as the topic's minimum must
 * be left, or, where there are fewer already, all of them.
 */
export function finishedReassignment(
  image: ClusterImage,
  partition: PartitionImage,
  minInsyncReplicas: number,
): PartitionUpdate | undefined {
  if (!isReassigning(partition)) return undefined;
  const target = partition.replicas.filter((id) => !partition.removingReplicas.includes(id));
  if (!partition.addingReplicas.every((id) => partition.isr.includes(id))) return undefined;
  const isr = partition.isr.filter((id) => target.includes(id));
  const enough = Math.min(partition.isr.length, minInsyncReplicas, target.length);
  if (isr.length < Math.max(1, enough)) return undefined;
  const keeps = isr.includes(partition.leader);
  const leader = keeps ? partition.leader : target.find((id) => isr.includes(id) && mayLead(image, id));
  if (leader === undefined) return undefined;
  const elr = partition.elr.filter((id) => target.includes(id));
  return { replicas: target, isr, leader, elr, addingReplicas: [], removingReplicas: [] };
}

function cancelled(
  image: ClusterImage,
  request: Reassignment,
  partition: PartitionImage,
): PartitionUpdate | Outcome {
  if (!isReassigning(partition)) return refusal(Errors.NO_REASSIGNMENT_IN_PROGRESS, null);
  const replicas = partition.replicas.filter((id) => !partition.addingReplicas.includes(id));
  const isr = partition.isr.filter((id) => replicas.includes(id));
  if (isr.length === 0) {
    return refusal(
      Errors.INVALID_REPLICA_ASSIGNMENT,
      `Unable to revert partition assignment for ${request.topic}:${request.partition} because ` +
        'it would require an unclean leader election.',
    );
  }
  const keeps = isr.includes(partition.leader);
  const leader = keeps ? partition.leader : (isr.find((id) => mayLead(image, id)) ?? -1);
  const directories = directoriesAfter(image, partition, replicas);
  const elr = partition.elr.filter((id) => replicas.includes(id));
  return { replicas, isr, leader, elr, addingReplicas: [], removingReplicas: [], directories };
}

/** Of replicas that are new, where their broker has one directory only; those that stay are where they are. */
export function directoriesAfter(
  image: ClusterImage,
  partition: PartitionImage,
  replicas: readonly number[],
): string[] {
  return replicas.map((id) => {
    const at = partition.replicas.indexOf(id);
    if (at >= 0) return partition.directories[at] ?? ZERO_UUID;
    const online = image.brokers.get(id)?.directories ?? [];
    return online.length === 1 ? online[0] : ZERO_UUID;
  });
}
