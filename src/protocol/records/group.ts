/**
 * Records of __consumer_offsets that both kinds of groups share with the first Kafka that had the topic: committed
 * offsets (keys 0 and 1) and classic groups (key 2). A record without a value deletes. The key begins with its number
 * (int16), the value with its version (int16).
 */
import {
  array,
  at,
  bytes,
  int32,
  int64,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const LegacyOffsetCommitKey = message(
  'LegacyOffsetCommitKey',
  { key: 0, versions: '0', flexible: 'none' },
  {
    group: string,
    topic: string,
    partition: int32,
  },
);
export type LegacyOffsetCommitKey = Read<typeof LegacyOffsetCommitKey>;

export const LegacyOffsetCommitValue = message(
  'LegacyOffsetCommitValue',
  { key: 0, versions: '0', flexible: 'none' },
  {
    offset: int64,
    metadata: string,
    commitTimestamp: int64,
  },
);
export type LegacyOffsetCommitValue = Read<typeof LegacyOffsetCommitValue>;

export const OffsetCommitKey = message(
  'OffsetCommitKey',
  { key: 1, versions: '0', flexible: 'none' },
  {
    group: string,
    topic: string,
    partition: int32,
  },
);
export type OffsetCommitKey = Read<typeof OffsetCommitKey>;

export const OffsetCommitValue = message(
  'OffsetCommitValue',
  { key: 1, versions: '0-4', flexible: '4+' },
  {
    offset: int64,
    leaderEpoch: at('3+', or(-1, int32)),
    metadata: string,
    commitTimestamp: int64,
    expireTimestamp: at('1', or(-1, int64)),
    topicId: at('4+', tagged(0, uuid)),
  },
);
export type OffsetCommitValue = Read<typeof OffsetCommitValue>;

export const GroupMetadataKey = message(
  'GroupMetadataKey',
  { key: 2, versions: '0', flexible: 'none' },
  {
    group: string,
  },
);
export type GroupMetadataKey = Read<typeof GroupMetadataKey>;

const groupMetadataValueMemberMetadata = struct({
  memberId: string,
  groupInstanceId: at('3+', orNull(string)),
  clientId: string,
  clientHost: string,
  rebalanceTimeout: at('1+', or(-1, int32)),
  sessionTimeout: int32,
  subscription: bytes,
  assignment: bytes,
});

export const GroupMetadataValue = message(
  'GroupMetadataValue',
  { key: 2, versions: '0-4', flexible: '4+' },
  {
    protocolType: string,
    generation: int32,
    protocol: nullable(string),
    leader: nullable(string),
    currentStateTimestamp: at('2+', or(-1, int64)),
    members: array(groupMetadataValueMemberMetadata),
  },
);
export type GroupMetadataValue = Read<typeof GroupMetadataValue>;
