/**
 * TxnOffsetCommit: a group's offsets as part of a producer's transaction (KIP-98), so that what was consumed and what was
 * produced from it count together or not at all.
 */
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import { coordinatorError } from '../../coordinator/append-errors.ts';
import { commitRefused } from '../../groups/offsets/commit.ts';
import { OFFSETS_TOPIC } from '../../metadata/topic-names.ts';
import { authorize } from '../authorization.ts';
import { commitKnownTopics, commitTopicRefused, type CommitAnswer } from '../commit-topics.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';
import { verifyTransaction } from '../verify-transaction.ts';

/** Earlier producers crash when they are told that the coordinator is loading. */
const LOAD_IN_PROGRESS_SINCE = 2;
const ABORTABLE_SINCE = 4;
const ADDS_GROUP_SINCE = 5;
const TOPIC_IDS_SINCE = 6;
/** What a coordinator writes has no sequences. */
const NO_SEQUENCE = -1;

export const txnOffsetCommit = handler(
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
  async (request, context, services) => {
    const { topics } = request;
    const refusal = unauthorized(request, context, services);
    if (refusal !== Errors.NONE) {
      return { throttleTimeMs: 0, topics: topics.map((topic) => commitTopicRefused(topic, refusal)) };
    }
    const answers = await commitKnownTopics(
      { topics, usesTopicIds: context.apiVersion >= TOPIC_IDS_SINCE },
      (known) => commit({ ...request, topics: known }, context, services),
      context,
      services,
    );
    if (context.apiVersion < LOAD_IN_PROGRESS_SINCE) hideLoading(answers);
    return { throttleTimeMs: 0, topics: answers };
  },
);

function unauthorized(
  { transactionalId, groupId }: TxnOffsetCommitRequest,
  context: RequestContext,
  services: Services,
): ErrorCode {
  const ofTransaction = { operation: 'WRITE', resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
  if (!authorize(services, context, ofTransaction)) return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  const ofGroup = { operation: 'READ', resource: 'GROUP', name: groupId } as const;
  return authorize(services, context, ofGroup) ? Errors.NONE : Errors.GROUP_AUTHORIZATION_FAILED;
}

async function commit(
  request: TxnOffsetCommitRequest,
  context: RequestContext,
  services: Services,
): Promise<readonly CommitAnswer[]> {
  const { groupId, transactionalId, producerId, producerEpoch } = request;
  const { apiVersion } = context;
  if (groupId === '') return commitRefused(request, Errors.INVALID_GROUP_ID);
  const partition = services.partitions.get(OFFSETS_TOPIC, services.groups.partitionFor(groupId));
  if (partition === undefined) return commitRefused(request, Errors.NOT_COORDINATOR);
  const write = { transactionalId, producerId, producerEpoch, firstSequence: NO_SEQUENCE };
  const { errorCode, verification } = await verifyTransaction(
    partition,
    { ...write, canAdd: apiVersion >= ADDS_GROUP_SINCE, knowsAbortable: apiVersion >= ABORTABLE_SINCE },
    services,
  );
  if (errorCode !== Errors.NONE) return commitRefused(request, coordinatorError(errorCode));
  return services.groups.commitOffsetsInTransaction(context, request, verification);
}

function hideLoading(answers: readonly CommitAnswer[]): void {
  for (const { partitions } of answers) {
    for (const one of partitions) {
      if (one.errorCode === Errors.COORDINATOR_LOAD_IN_PROGRESS)
        one.errorCode = Errors.COORDINATOR_NOT_AVAILABLE;
    }
  }
}
