/** Fetch: reads record batches for consumers, with sessions (KIP-227), long polls and both isolation levels (KIP-98). */
import { FetchRequest, FetchResponse } from '../../protocol/messages/01-fetch.ts';
import { Errors } from '../../protocol/errors.ts';
import { INT64_MAX } from '../../protocol/wire.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Isolation } from '../../replication/partition.ts';
import type { RequestContext } from '../context.ts';
import { readWhenRoom, readWithin, type BudgetedRead } from '../fetch-memory.ts';
import {
  findTargets,
  giveBack,
  isStartNews,
  readTargets,
  type FetchLimits,
  type FetchTarget,
  type PartitionRead,
} from '../fetch-read.ts';
import {
  mustTell,
  NO_SESSION,
  type FetchContext,
  type FetchPartition,
  type FetchSession,
} from '../fetch-session.ts';
import { waitForData } from '../fetch-wait.ts';
import { handler, type Reply } from '../handler.ts';
import { LeaderEndpoints } from '../leader-endpoints.ts';
import { withPreferred } from '../preferred-replica.ts';
import {
  countSent,
  fetchingReplica,
  mayFetchAs,
  noteProgress,
  type FetchingReplica,
} from '../replica-fetch.ts';
import type { Services } from '../services.ts';

type Response = Write<typeof FetchResponse>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = TopicResponse['partitions'][number];

/**
 * An answer holds no more than this, unless fetch.min.bytes asks for half of it or more: large ones take the memory of many
 * requests and the time of everybody else, and leave the processor's cache between the file and the socket. Whoever wants
 * more asks again, and partitions take turns.
 */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** A replica far away needs more on the way at a time; with what is around it, it fits into the largest buffer that is kept. */
const REPLICA_ANSWER_BYTES_MAX = 3.75 * 1024 * 1024;
const TOPIC_ID_VERSION_MIN = 13;
const STORAGE_ERROR_VERSION_MIN = 6;
const LEADER_VERSION_MIN = 16;
const READ_COMMITTED = 1;
const NO_REPLICA = -1;

export const fetch = handler(FetchRequest, FetchResponse, (request, context, services) => {
  const session = services.fetchSessions.open({
    version: context.apiVersion,
    sessionId: request.sessionId,
    sessionEpoch: request.sessionEpoch,
    partitions: wantedPartitions(request),
    forgotten: request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, partition })),
    ),
  });
  if (session.kind === 'refused') {
    return { throttleTimeMs: 0, errorCode: session.errorCode, sessionId: NO_SESSION, responses: [] };
  }
  const replica = fetchingReplica(request);
  if (replica !== undefined && !mayFetchAs(replica, context)) {
    return refuseReplica(session, context, services);
  }
  return serve({ request, session, replica }, context, services);
});

interface FetchWork {
  readonly request: FetchRequest;
  readonly session: Exclude<FetchContext, { kind: 'refused' }>;
  /** Undefined: a consumer asks. */
  readonly replica: FetchingReplica | undefined;
}

function serve(
  { request, session, replica }: FetchWork,
  context: RequestContext,
  services: Services,
): Reply<Response> {
  const usesTopicIds = context.apiVersion >= TOPIC_ID_VERSION_MIN;
  const found = findTargets(session.partitions, usesTopicIds, context, services);
  const targets =
    replica === undefined
      ? withPreferred(found, request.rackId, context, services)
      : noteProgress(found, replica, services);
  const bytesMax = replica === undefined ? services.settings().fetch.maxBytes : Infinity;
  const maxBytes = Math.max(0, Math.min(request.maxBytes, bytesMax));
  const minBytes = Math.min(request.minBytes, maxBytes);
  const wantedBytes = Math.min(maxBytes, sumOf(targets));
  // Batches are whole, so there must be room for more than is asked for at least.
  const answerBytesMax = replica === undefined ? ANSWER_BYTES_MAX : REPLICA_ANSWER_BYTES_MAX;
  const isCut = wantedBytes > answerBytesMax && minBytes < answerBytesMax / 2;
  const limits: FetchLimits = {
    isolation: isolationOf(request, replica),
    maxBytes: isCut ? answerBytesMax : maxBytes,
    slackBytes: isCut ? answerBytesMax / 8 : 0,
    // A consumer that said where it is may have been sent here by the leader.
    leaderOnly: replica !== undefined || request.rackId === '',
    sendsRegions: context.connection.sendsRegions,
    mayBeFenced: services.mayBeFenced,
    // A session remembers whose turn it is.
    ...(isCut && session.kind !== 'incremental'
      ? { first: context.connection.fetchTurns++ % targets.length }
      : undefined),
  };
  const follower = replica?.nodeId;
  const maxWaitMs =
    follower === undefined
      ? request.maxWaitMs
      : services.expectedFollowers.waitMs(follower, request.maxWaitMs);
  const respond = (reads: readonly PartitionRead[]): Response => {
    context.onSent = () => giveBack(services, reads);
    if (replica !== undefined) countSent(targets, reads, replica, services);
    return answer(session, targets, reads, context, services);
  };
  /** Only the sizes when the answer has to wait: the bytes are read anew then. */
  const look = ({ reads, maxBytes: allowed }: BudgetedRead): Response | { readonly sizes: number[] } => {
    // With less memory than it wants, it gets what there is: waiting would not bring more.
    const enough = allowed < minBytes ? Math.min(minBytes, 1, allowed) : minBytes;
    const { isolation } = limits;
    if (mustAnswer(targets, reads, { isolation, minBytes: enough, maxWaitMs })) return respond(reads);
    giveBack(services, reads);
    return { sizes: reads.map(({ sizeBytes }) => sizeBytes) };
  };
  let first = readWithin(services, targets, limits);
  const seen = first === undefined || first instanceof Promise ? undefined : look(first);
  if (seen !== undefined && !('sizes' in seen)) return seen;
  const deadlineMs = services.ports.clock.monotonicMs() + maxWaitMs;
  const readLater = () => readWhenRoom(targets, limits, deadlineMs, context, services);
  const lookLater = async () => {
    const read = await (first ?? readLater());
    return read === undefined ? undefined : look(read);
  };
  const waitThenAnswer = async (): Promise<Response | undefined> => {
    const found = seen ?? (await lookLater());
    first = undefined;
    if (found === undefined || !('sizes' in found)) return found;
    const wait = { targets, sizes: found.sizes, limits, minBytes, maxWaitMs, follower };
    const isWanted = await waitForData(wait, context, services);
    if (!isWanted) return undefined;
    const read = await readLater();
    return read === undefined ? undefined : respond(read.reads);
  };
  return waitThenAnswer();
}

function isolationOf(request: FetchRequest, replica: FetchingReplica | undefined): Isolation {
  if (replica !== undefined) return 'log end';
  return request.isolationLevel === READ_COMMITTED ? 'committed' : 'uncommitted';
}

/** What all partitions together may give. */
function sumOf(targets: readonly FetchTarget[]): number {
  let bytes = 0;
  for (const { wanted } of targets) bytes += Math.max(0, wanted.maxBytes);
  return bytes;
}

function mustAnswer(
  targets: readonly FetchTarget[],
  reads: readonly PartitionRead[],
  { isolation, minBytes, maxWaitMs }: { isolation: Isolation; minBytes: number; maxWaitMs: number },
): boolean {
  if (maxWaitMs <= 0 || targets.length === 0) return true;
  let bytes = 0;
  let waitsFor = 0;
  for (let index = 0; index < reads.length; index++) {
    const read = reads[index]!;
    bytes += read.sizeBytes;
    if (targets[index]!.partition === undefined) continue;
    if (read.errorCode !== Errors.NONE || read.divergingEpoch !== undefined) return true;
    if (targets[index]!.preferred !== undefined) return true;
    if (isStartNews(targets[index]!, isolation)) return true;
    waitsFor += 1;
  }
  return bytes >= minBytes || waitsFor === 0;
}

function answer(
  session: Exclude<FetchContext, { kind: 'refused' }>,
  targets: readonly FetchTarget[],
  reads: readonly PartitionRead[],
  context: RequestContext,
  services: Services,
): Response {
  const { apiVersion } = context;
  const granted =
    session.kind === 'full'
      ? services.fetchSessions.create(
          targets.map(({ wanted }) => wanted),
          session.usesTopicIds,
        )
      : session.kind === 'incremental'
        ? session.session
        : undefined;
  const leaders = new LeaderEndpoints(services, context);
  const responses: { topic: string; topicId: string; partitions: PartitionResponse[] }[] = [];
  let group: (typeof responses)[number] | undefined;
  for (let index = 0; index < targets.length; index++) {
    const target = targets[index]!;
    const read = reads[index]!;
    const { wanted } = target;
    if (granted !== undefined && !isNews(granted, session.kind === 'full', target, read)) continue;
    if (group === undefined || group.topicId !== wanted.topicId || group.topic !== wanted.topic) {
      group = { topic: wanted.topic, topicId: wanted.topicId, partitions: [] };
      responses.push(group);
    }
    group.partitions.push(partitionResponse(target, read, apiVersion, leaders));
  }
  return {
    throttleTimeMs: 0,
    errorCode: Errors.NONE,
    sessionId: granted?.id ?? NO_SESSION,
    responses,
    nodeEndpoints: leaders.nodeEndpoints(),
  };
}

/** A first answer tells everything; the next ones what changed since. */
function isNews(
  granted: FetchSession,
  isFirst: boolean,
  { wanted, preferred }: FetchTarget,
  read: PartitionRead,
): boolean {
  const isChanged = mustTell(granted, wanted, {
    errorCode: read.errorCode,
    highWatermark: read.highWatermark,
    logStartOffset: read.logStartOffset,
    hasRecords: read.sizeBytes > 0,
    mustTell: read.divergingEpoch !== undefined || preferred !== undefined,
  });
  return isFirst || isChanged;
}

function partitionResponse(
  target: FetchTarget,
  read: PartitionRead,
  version: number,
  leaders: LeaderEndpoints,
): PartitionResponse {
  let { errorCode } = read;
  if (errorCode === Errors.KAFKA_STORAGE_ERROR && version < STORAGE_ERROR_VERSION_MIN) {
    errorCode = Errors.NOT_LEADER_OR_FOLLOWER;
  }
  const isElsewhere = errorCode === Errors.NOT_LEADER_OR_FOLLOWER || errorCode === Errors.FENCED_LEADER_EPOCH;
  return {
    partitionIndex: target.wanted.partition,
    errorCode,
    highWatermark: read.highWatermark,
    lastStableOffset: read.lastStableOffset,
    logStartOffset: read.logStartOffset,
    abortedTransactions: read.abortedTransactions,
    preferredReadReplica: target.preferred ?? NO_REPLICA,
    records: read.records,
    ...(read.divergingEpoch === undefined ? undefined : { divergingEpoch: read.divergingEpoch }),
    ...(isElsewhere && version >= LEADER_VERSION_MIN && target.topic !== undefined
      ? { currentLeader: leaders.leaderOf(target.topic, target.wanted.partition) }
      : undefined),
  };
}

/** Replication has a principal of its own: whoever else claims to be a replica gets nothing (CVE-2018-1288). */
function refuseReplica(
  session: Exclude<FetchContext, { kind: 'refused' }>,
  context: RequestContext,
  services: Services,
): Response {
  const targets = session.partitions.map((wanted): FetchTarget => {
    const errorCode = Errors.TOPIC_AUTHORIZATION_FAILED;
    return { wanted, topic: undefined, partition: undefined, errorCode };
  });
  const reads = readTargets(targets, {
    isolation: 'uncommitted',
    maxBytes: 0,
    leaderOnly: true,
    sendsRegions: false,
    mayBeFenced: services.mayBeFenced,
  });
  const sessionless = { kind: 'sessionless', partitions: session.partitions } as const;
  return answer(sessionless, targets, reads as PartitionRead[], context, services);
}

function wantedPartitions(request: FetchRequest): FetchPartition[] {
  const wanted: FetchPartition[] = [];
  for (const { topic, topicId, partitions } of request.topics) {
    for (const one of partitions) {
      wanted.push({
        topic,
        topicId,
        partition: one.partition,
        currentLeaderEpoch: one.currentLeaderEpoch,
        fetchOffset: one.fetchOffset,
        lastFetchedEpoch: one.lastFetchedEpoch,
        maxBytes: one.partitionMaxBytes,
        logStartOffset: one.logStartOffset,
        toldHighWatermark: one.highWatermark === INT64_MAX ? -1 : one.highWatermark,
        toldLogStartOffset: -1,
      });
    }
  }
  return wanted;
}
