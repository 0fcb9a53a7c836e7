/** ListOffsets: the offset at a time, or at one of the ends of a partition (KIP-79, KIP-734, KIP-405, KIP-1023). */
import { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import { DiskError } from '../../base/ports.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Isolation, Partition } from '../../replication/partition.ts';
import { mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { ownSync } from '../own-sync.ts';
import type { Services } from '../services.ts';
import { stillLeads } from '../still-leads.ts';

type PartitionResponse = Write<typeof ListOffsetsResponse>['topics'][number]['partitions'][number];
type PartitionRequest = ListOffsetsRequest['topics'][number]['partitions'][number];

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;

/** Special timestamps and the first version that has them. */
const VERSION_MIN = new Map([
  [LATEST, 1],
  [EARLIEST, 1],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);
/** They do not depend on the log's end. */
const ENDS_AT_START: ReadonlySet<number> = new Set([EARLIEST, EARLIEST_LOCAL]);
const OFFSET_NOT_AVAILABLE_VERSION_MIN = 5;
const READ_COMMITTED = 1;
/** A debugging client that reads from followers as well. */
const DEBUGGING_REPLICA = -2;

interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}
const NOTHING: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export const listOffsets = handler(
  ListOffsetsRequest,
  ListOffsetsResponse,
  async (request, context, services) => {
    const duplicates = duplicatePartitions(request);
    // Replicas see the log's end; only this broker's own consumers' view is served to clients, whatever they claim to be.
    const isolation = request.isolationLevel === READ_COMMITTED ? 'committed' : 'uncommitted';
    const leaderOnly = request.replicaId !== DEBUGGING_REPLICA;
    const lost = await lostLeaderships(request, services);
    // Mentions of a topic are put together, and a partition is answered once.
    const topics = new Map<string, Map<number, PartitionResponse>>();
    for (const { name, partitions } of request.topics) {
      for (const one of partitions) {
        let answers = topics.get(name);
        if (answers === undefined) topics.set(name, (answers = new Map()));
        const errorCode = duplicates.has(`${name}/${one.partitionIndex}`)
          ? Errors.INVALID_REQUEST
          : refusal(name, one, context, services);
        answers.set(
          one.partitionIndex,
          errorCode === Errors.NONE
            ? await look(name, one, { isolation, leaderOnly, lost }, context, services)
            : answer(one, errorCode, NOTHING),
        );
      }
    }
    return {
      throttleTimeMs: 0,
      topics: [...topics].map(([name, answers]) => ({ name, partitions: [...answers.values()] })),
    };
  },
);

/**
 * Those that others may lead by now, of the partitions whose end is asked for: whoever reads up to an end counts on everything
 * that is committed to be before it.
 */
async function lostLeaderships(
  request: ListOffsetsRequest,
  services: Services,
): Promise<ReadonlySet<Partition>> {
  const lost = new Set<Partition>();
  if (!services.mayBeFenced()) return lost;
  const look = async (topic: string, { partitionIndex, timestamp }: PartitionRequest): Promise<void> => {
    const partition = services.partitions.get(topic, partitionIndex);
    if (timestamp !== LATEST || partition?.isLeader !== true) return;
    if (!(await stillLeads(partition, services))) lost.add(partition);
  };
  await Promise.all(
    request.topics.flatMap(({ name, partitions }) => partitions.map((one) => look(name, one))),
  );
  return lost;
}

function refusal(
  topic: string,
  { partitionIndex, timestamp }: PartitionRequest,
  context: RequestContext,
  services: Services,
): ErrorCode {
  if (!mayTopic(services, context, 'DESCRIBE', topic)) return Errors.TOPIC_AUTHORIZATION_FAILED;
  if (timestamp < 0 && context.apiVersion < (VERSION_MIN.get(timestamp) ?? Infinity)) {
    return Errors.UNSUPPORTED_VERSION;
  }
  if (services.image.topics.get(topic)?.partitions[partitionIndex] === undefined) {
    return Errors.UNKNOWN_TOPIC_OR_PARTITION;
  }
  return Errors.NONE;
}

async function look(
  topic: string,
  request: PartitionRequest,
  options: {
    readonly isolation: Isolation;
    readonly leaderOnly: boolean;
    readonly lost: ReadonlySet<Partition>;
  },
  context: RequestContext,
  services: Services,
): Promise<PartitionResponse> {
  const partition = services.partitions.get(topic, request.partitionIndex);
  if (partition === undefined) return answer(request, Errors.NOT_LEADER_OR_FOLLOWER, NOTHING);
  const errorCode = checkEpoch(partition, request.currentLeaderEpoch, options.leaderOnly);
  if (errorCode !== Errors.NONE) return answer(request, errorCode, NOTHING);
  if (options.lost.has(partition)) return answer(request, Errors.NOT_LEADER_OR_FOLLOWER, NOTHING);
  try {
    if (!ENDS_AT_START.has(request.timestamp)) await ownSync(partition);
    const found = await find(partition, request.timestamp, options.isolation);
    if (found !== undefined) return answer(request, Errors.NONE, found);
    const isKnown = context.apiVersion >= OFFSET_NOT_AVAILABLE_VERSION_MIN;
    return answer(request, isKnown ? Errors.OFFSET_NOT_AVAILABLE : Errors.LEADER_NOT_AVAILABLE, NOTHING);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return answer(request, Errors.KAFKA_STORAGE_ERROR, NOTHING);
  }
}

/** Only -1 means that the client knows no epoch; anything below is an old one (unlike in Fetch). */
export function checkEpoch(partition: Partition, currentLeaderEpoch: number, leaderOnly: boolean): ErrorCode {
  const errorCode = partition.check(currentLeaderEpoch, { leaderOnly });
  if (errorCode !== Errors.NONE) return errorCode;
  return currentLeaderEpoch < -1 ? Errors.FENCED_LEADER_EPOCH : Errors.NONE;
}

/** Undefined: not known before the new leader's high watermark is (KIP-207); ask again. */
async function find(
  partition: Partition,
  timestamp: number,
  isolation: Isolation,
): Promise<Found | undefined> {
  const log = partition.log!;
  const end = partition.endOffset(isolation);
  switch (timestamp) {
    case LATEST:
      if (!partition.isHighWatermarkKnown) return undefined;
      return { offset: end, timestamp: -1, leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL: {
      const offset = log.logStartOffset;
      return { offset, timestamp: -1, leaderEpoch: log.epochAt(offset) ?? -1 };
    }
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      // Nothing is tiered.
      return NOTHING;
  }
  const found =
    timestamp === MAX_TIMESTAMP ? await log.offsetOfMaxTimestamp() : await log.offsetForTimestamp(timestamp);
  if (found !== undefined && found.offset < end) return found;
  return partition.isHighWatermarkKnown ? NOTHING : undefined;
}

function answer({ partitionIndex }: PartitionRequest, errorCode: ErrorCode, found: Found): PartitionResponse {
  return { partitionIndex, errorCode, ...found };
}

function duplicatePartitions(request: ListOffsetsRequest): ReadonlySet<string> {
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`;
      if (seen.has(key)) duplicates.add(key);
      seen.add(key);
    }
  }
  return duplicates;
}
