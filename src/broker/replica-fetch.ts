/**
 * Fetch requests of replicas that follow partitions led here. They read up to the log's end, and what they ask for tells
 * how far they have come, on which the high watermark rests. So nobody but a broker of the cluster may send one, for itself
 * alone (CVE-2018-1288), and only for the epoch that leads.
 */
import type { FetchRequest } from '../protocol/messages/01-fetch.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { isBroker, type RequestContext } from './context.ts';
import { divergence, mustBeginAnew, type FetchTarget, type PartitionRead } from './fetch-read.ts';
import type { Services } from './services.ts';

/** The broker that a request says it is from. */
export interface FetchingReplica {
  readonly nodeId: number;
  readonly brokerEpoch: number;
}

const NO_REPLICA = -1;

/** Undefined: a consumer asks. */
export function fetchingReplica(request: FetchRequest): FetchingReplica | undefined {
  const { replicaId, replicaEpoch } = request.replicaState;
  const nodeId = Math.max(replicaId, request.replicaId);
  return nodeId <= NO_REPLICA ? undefined : { nodeId, brokerEpoch: replicaEpoch };
}

export function mayFetchAs(replica: FetchingReplica, context: RequestContext): boolean {
  return isBroker(context) && context.principal.name === String(replica.nodeId);
}

/** Notes how far the replica has come. In the result, what it may not ask for has an error instead of a partition. */
export function noteProgress(
  targets: readonly FetchTarget[],
  replica: FetchingReplica,
  services: Services,
): FetchTarget[] {
  const nowMs = services.ports.clock.monotonicMs();
  const isFormerLife = replica.brokerEpoch < (services.image.brokers.get(replica.nodeId)?.epoch ?? -1);
  return targets.map((target) => {
    if (target.partition === undefined) return target;
    const errorCode = isFormerLife ? Errors.STALE_BROKER_EPOCH : note(target, replica, nowMs);
    if (errorCode !== Errors.NONE) return { ...target, partition: undefined, errorCode };
    const isHeldBack = services.replicationTraffic.mustHoldBack(target.partition, replica.nodeId);
    return isHeldBack ? { ...target, isHeldBack } : target;
  });
}

/** What the answer brings the replica. */
export function countSent(
  targets: readonly FetchTarget[],
  reads: readonly PartitionRead[],
  replica: FetchingReplica,
  { replicationTraffic }: Services,
): void {
  for (const [index, { sizeBytes }] of reads.entries()) {
    const { partition } = targets[index]!;
    if (sizeBytes > 0 && partition !== undefined)
      replicationTraffic.sent(partition, replica.nodeId, sizeBytes);
  }
}

function note({ wanted, partition }: FetchTarget, replica: FetchingReplica, nowMs: number): ErrorCode {
  // A replica always knows whom it follows: without an epoch its offset would count for any leader.
  if (wanted.currentLeaderEpoch < 0) return Errors.FENCED_LEADER_EPOCH;
  const errorCode = partition!.check(wanted.currentLeaderEpoch);
  if (errorCode !== Errors.NONE) return errorCode;
  // Until the logs agree, the offset is not of our log. An empty one, that knows no epoch, agrees with any.
  if (divergence(wanted, partition!) !== undefined || mustBeginAnew(wanted, partition!)) return Errors.NONE;
  const { fetchOffset: offset, logStartOffset } = wanted;
  return partition!.noteFetch({ ...replica, offset, logStartOffset, nowMs });
}
