/**
 * OffsetCommit (key 8). Stores the offsets up to which a group has consumed.
 *
 *     5    no retention time: the broker's configuration decides (KIP-211)
 *     6    leader epochs (KIP-320)
 *     7    static members (KIP-345)
 *     9    consumer protocol: STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND (KIP-848)
 *     10   topic ids instead of names (KIP-848)
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

export const OffsetCommitRequest = message(
  'OffsetCommitRequest',
  { key: 8, versions: '2-10', flexible: '8+' },
  {
    groupId: string,
    generationIdOrMemberEpoch: or(-1, int32),
    memberId: string,
    groupInstanceId: at('7+', orNull(string)),
    retentionTimeMs: at('2-4', or(-1, int64)),
    topics: array(
      struct({
        name: at('0-9', string),
        topicId: at('10+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: at('6+', or(-1, int32)),
            committedMetadata: nullable(string),
          }),
        ),
      }),
    ),
  },
);
export type OffsetCommitRequest = Read<typeof OffsetCommitRequest>;

export const OffsetCommitResponse = message(
  'OffsetCommitResponse',
  { key: 8, versions: '2-10', flexible: '8+' },
  {
    throttleTimeMs: at('3+', int32),
    topics: array(
      struct({
        name: at('0-9', string),
        topicId: at('10+', uuid),
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
export type OffsetCommitResponse = Read<typeof OffsetCommitResponse>;
