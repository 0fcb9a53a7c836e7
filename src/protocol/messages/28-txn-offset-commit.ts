/**
 * TxnOffsetCommit (key 28). Commits a group's offsets as part of a transaction.
 *
 *     2    leader epochs (KIP-320)
 *     3    member and generation fence zombies (KIP-447)
 *     4    TRANSACTION_ABORTABLE (KIP-890)
 *     5    also adds the group to the transaction (KIP-890 part 2)
 *     6    topic ids instead of names (KIP-1319)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const TxnOffsetCommitRequest = message(
  'TxnOffsetCommitRequest',
  { key: 28, versions: '0-6', flexible: '3+' },
  {
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationIdOrMemberEpoch: at('3+', or(-1, int32)),
    memberId: at('3+', or('', string)),
    groupInstanceId: at('3+', orNull(string)),
    topics: array(
      struct({
        name: at('0-5', string),
        topicId: at('6+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: at('2+', or(-1, int32)),
            committedMetadata: nullable(string),
          }),
        ),
      }),
    ),
  },
);
export type TxnOffsetCommitRequest = Read<typeof TxnOffsetCommitRequest>;

export const TxnOffsetCommitResponse = message(
  'TxnOffsetCommitResponse',
  { key: 28, versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: at('0-5', string),
        topicId: at('6+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
);
export type TxnOffsetCommitResponse = Read<typeof TxnOffsetCommitResponse>;
