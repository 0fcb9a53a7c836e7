/**
 * Records of __consumer_offsets for share groups (KIP-932): the group's epoch, members, target assignment, and which
 * share partitions have been initialized or are to be deleted.
 */
import {
  array,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const ShareGroupMemberMetadataKey = message(
  'ShareGroupMemberMetadataKey',
  { key: 10, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type ShareGroupMemberMetadataKey = Read<typeof ShareGroupMemberMetadataKey>;

export const ShareGroupMemberMetadataValue = message(
  'ShareGroupMemberMetadataValue',
  { key: 10, versions: '0', flexible: '0+' },
  {
    rackId: nullable(string),
    clientId: string,
    clientHost: string,
    subscribedTopicNames: array(string),
  },
);
export type ShareGroupMemberMetadataValue = Read<typeof ShareGroupMemberMetadataValue>;

export const ShareGroupMetadataKey = message(
  'ShareGroupMetadataKey',
  { key: 11, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type ShareGroupMetadataKey = Read<typeof ShareGroupMetadataKey>;

export const ShareGroupMetadataValue = message(
  'ShareGroupMetadataValue',
  { key: 11, versions: '0', flexible: '0+' },
  {
    epoch: int32,
    metadataHash: int64,
  },
);
export type ShareGroupMetadataValue = Read<typeof ShareGroupMetadataValue>;

export const ShareGroupTargetAssignmentMetadataKey = message(
  'ShareGroupTargetAssignmentMetadataKey',
  { key: 12, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type ShareGroupTargetAssignmentMetadataKey = Read<typeof ShareGroupTargetAssignmentMetadataKey>;

export const ShareGroupTargetAssignmentMetadataValue = message(
  'ShareGroupTargetAssignmentMetadataValue',
  { key: 12, versions: '0', flexible: '0+' },
  {
    assignmentEpoch: int32,
    assignmentTimestamp: tagged(0, or(0, int64)),
  },
);
export type ShareGroupTargetAssignmentMetadataValue = Read<typeof ShareGroupTargetAssignmentMetadataValue>;

export const ShareGroupTargetAssignmentMemberKey = message(
  'ShareGroupTargetAssignmentMemberKey',
  { key: 13, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type ShareGroupTargetAssignmentMemberKey = Read<typeof ShareGroupTargetAssignmentMemberKey>;

export const ShareGroupTargetAssignmentMemberValue = message(
  'ShareGroupTargetAssignmentMemberValue',
  { key: 13, versions: '0', flexible: '0+' },
  {
    topicPartitions: array(
      struct({
        topicId: uuid,
        partitions: array(int32),
      }),
    ),
  },
);
export type ShareGroupTargetAssignmentMemberValue = Read<typeof ShareGroupTargetAssignmentMemberValue>;

export const ShareGroupCurrentMemberAssignmentKey = message(
  'ShareGroupCurrentMemberAssignmentKey',
  { key: 14, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type ShareGroupCurrentMemberAssignmentKey = Read<typeof ShareGroupCurrentMemberAssignmentKey>;

const shareGroupCurrentMemberAssignmentValueTopicPartitions = struct({
  topicId: uuid,
  partitions: array(int32),
});

export const ShareGroupCurrentMemberAssignmentValue = message(
  'ShareGroupCurrentMemberAssignmentValue',
  { key: 14, versions: '0', flexible: '0+' },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    assignedPartitions: array(shareGroupCurrentMemberAssignmentValueTopicPartitions),
  },
);
export type ShareGroupCurrentMemberAssignmentValue = Read<typeof ShareGroupCurrentMemberAssignmentValue>;

export const ShareGroupStatePartitionMetadataKey = message(
  'ShareGroupStatePartitionMetadataKey',
  { key: 15, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type ShareGroupStatePartitionMetadataKey = Read<typeof ShareGroupStatePartitionMetadataKey>;

const shareGroupStatePartitionMetadataValueTopicPartitionsInfo = struct({
  topicId: uuid,
  topicName: string,
  partitions: array(int32),
});
const shareGroupStatePartitionMetadataValueTopicInfo = struct({
  topicId: uuid,
  topicName: string,
});

export const ShareGroupStatePartitionMetadataValue = message(
  'ShareGroupStatePartitionMetadataValue',
  { key: 15, versions: '0', flexible: '0+' },
  {
    initializingTopics: array(shareGroupStatePartitionMetadataValueTopicPartitionsInfo),
    initializedTopics: array(shareGroupStatePartitionMetadataValueTopicPartitionsInfo),
    deletingTopics: array(shareGroupStatePartitionMetadataValueTopicInfo),
  },
);
export type ShareGroupStatePartitionMetadataValue = Read<typeof ShareGroupStatePartitionMetadataValue>;
