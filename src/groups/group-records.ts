/** The records of __consumer_offsets that classic groups and committed offsets are kept in, in Kafka's formats. */
import { recordFormats, type CoordinatorRecord } from '../coordinator/record.ts';
import {
  GroupMetadataKey,
  GroupMetadataValue,
  LegacyOffsetCommitKey,
  LegacyOffsetCommitValue,
  OffsetCommitKey,
  OffsetCommitValue,
} from '../protocol/records/group.ts';
import type { CommittedOffset } from './offsets/offset-store.ts';

/** Kafka before 0.8.2 wrote offsets under key version 0. */
export const LEGACY_OFFSET_COMMIT = LegacyOffsetCommitKey.key;
export const OFFSET_COMMIT = OffsetCommitKey.key;
export const GROUP_METADATA = GroupMetadataKey.key;

/** What is understood here. Records of consumer, share and streams groups live in the same topic and are passed over. */
export const GROUP_RECORD_FORMATS = recordFormats(
  { key: LegacyOffsetCommitKey, value: LegacyOffsetCommitValue },
  { key: OffsetCommitKey, value: OffsetCommitValue },
  { key: GroupMetadataKey, value: GroupMetadataValue },
);

/** The versions that Kafka 4.4 writes. */
const GROUP_METADATA_VERSION = 3;
const OFFSET_COMMIT_VERSION = 4;
/** The only version with an expiry time of its own, which OffsetCommit v2-4 can ask for. */
const OFFSET_COMMIT_WITH_EXPIRY_VERSION = 1;

export interface TopicPartitionOfGroup {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
}

export function offsetCommitRecord(of: TopicPartitionOfGroup, offset: CommittedOffset): CoordinatorRecord {
  const { expireTimestampMs } = offset;
  return {
    type: OFFSET_COMMIT,
    key: { group: of.groupId, topic: of.topic, partition: of.partition },
    version: expireTimestampMs === -1 ? OFFSET_COMMIT_VERSION : OFFSET_COMMIT_WITH_EXPIRY_VERSION,
    value: {
      offset: offset.offset,
      leaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      commitTimestamp: offset.commitTimestampMs,
      expireTimestamp: expireTimestampMs,
      topicId: offset.topicId,
    } satisfies OffsetCommitValue,
  };
}

export function offsetTombstone(of: TopicPartitionOfGroup): CoordinatorRecord {
  const key = { group: of.groupId, topic: of.topic, partition: of.partition };
  return { type: OFFSET_COMMIT, key, version: 0, value: null };
}

export function groupMetadataRecord(groupId: string, value: GroupMetadataValue): CoordinatorRecord {
  return { type: GROUP_METADATA, key: { group: groupId }, version: GROUP_METADATA_VERSION, value };
}

export function groupTombstone(groupId: string): CoordinatorRecord {
  return { type: GROUP_METADATA, key: { group: groupId }, version: 0, value: null };
}
