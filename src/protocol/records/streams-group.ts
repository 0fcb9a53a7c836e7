/**
 * Records of __consumer_offsets for streams groups (KIP-1071): the group's epoch, its topology, members, target
 * assignment of tasks and how far each member has come towards it.
 */
import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  tagged,
  uint16,
  type Read,
} from '../schema.ts';

export const StreamsGroupMetadataKey = message(
  'StreamsGroupMetadataKey',
  { key: 17, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type StreamsGroupMetadataKey = Read<typeof StreamsGroupMetadataKey>;

const streamsGroupMetadataValueLastAssignmentConfig = struct({
  key: string,
  value: string,
});

export const StreamsGroupMetadataValue = message(
  'StreamsGroupMetadataValue',
  { key: 17, versions: '0', flexible: '0+' },
  {
    epoch: int32,
    metadataHash: int64,
    validatedTopologyEpoch: tagged(0, or(-1, int32)),
    lastAssignmentConfigs: tagged(1, nullable(array(streamsGroupMetadataValueLastAssignmentConfig))),
    storedDescriptionTopologyEpoch: tagged(2, or(-1, int32)),
    failedDescriptionTopologyEpoch: tagged(3, or(-1, int32)),
  },
);
export type StreamsGroupMetadataValue = Read<typeof StreamsGroupMetadataValue>;

export const StreamsGroupMemberMetadataKey = message(
  'StreamsGroupMemberMetadataKey',
  { key: 19, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type StreamsGroupMemberMetadataKey = Read<typeof StreamsGroupMemberMetadataKey>;

const streamsGroupMemberMetadataValueEndpoint = struct({
  host: string,
  port: uint16,
});
const streamsGroupMemberMetadataValueKeyValue = struct({
  key: string,
  value: string,
});

export const StreamsGroupMemberMetadataValue = message(
  'StreamsGroupMemberMetadataValue',
  { key: 19, versions: '0', flexible: '0+' },
  {
    instanceId: nullable(string),
    rackId: nullable(string),
    clientId: string,
    clientHost: string,
    rebalanceTimeoutMs: or(-1, int32),
    topologyEpoch: int32,
    processId: string,
    userEndpoint: orNull(streamsGroupMemberMetadataValueEndpoint),
    clientTags: array(streamsGroupMemberMetadataValueKeyValue),
  },
);
export type StreamsGroupMemberMetadataValue = Read<typeof StreamsGroupMemberMetadataValue>;

export const StreamsGroupTargetAssignmentMetadataKey = message(
  'StreamsGroupTargetAssignmentMetadataKey',
  { key: 20, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type StreamsGroupTargetAssignmentMetadataKey = Read<typeof StreamsGroupTargetAssignmentMetadataKey>;

export const StreamsGroupTargetAssignmentMetadataValue = message(
  'StreamsGroupTargetAssignmentMetadataValue',
  { key: 20, versions: '0', flexible: '0+' },
  {
    assignmentEpoch: int32,
    assignmentTimestamp: tagged(0, or(0, int64)),
  },
);
export type StreamsGroupTargetAssignmentMetadataValue = Read<
  typeof StreamsGroupTargetAssignmentMetadataValue
>;

export const StreamsGroupTargetAssignmentMemberKey = message(
  'StreamsGroupTargetAssignmentMemberKey',
  { key: 21, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type StreamsGroupTargetAssignmentMemberKey = Read<typeof StreamsGroupTargetAssignmentMemberKey>;

const streamsGroupTargetAssignmentMemberValueTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
});

export const StreamsGroupTargetAssignmentMemberValue = message(
  'StreamsGroupTargetAssignmentMemberValue',
  { key: 21, versions: '0', flexible: '0+' },
  {
    activeTasks: array(streamsGroupTargetAssignmentMemberValueTaskIds),
    standbyTasks: array(streamsGroupTargetAssignmentMemberValueTaskIds),
    warmupTasks: array(streamsGroupTargetAssignmentMemberValueTaskIds),
  },
);
export type StreamsGroupTargetAssignmentMemberValue = Read<typeof StreamsGroupTargetAssignmentMemberValue>;

export const StreamsGroupCurrentMemberAssignmentKey = message(
  'StreamsGroupCurrentMemberAssignmentKey',
  { key: 22, versions: '0', flexible: 'none' },
  {
    groupId: string,
    memberId: string,
  },
);
export type StreamsGroupCurrentMemberAssignmentKey = Read<typeof StreamsGroupCurrentMemberAssignmentKey>;

const streamsGroupCurrentMemberAssignmentValueTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
  assignmentEpochs: tagged(0, nullable(array(int32))),
});

export const StreamsGroupCurrentMemberAssignmentValue = message(
  'StreamsGroupCurrentMemberAssignmentValue',
  { key: 22, versions: '0', flexible: '0+' },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    activeTasks: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
    standbyTasks: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
    warmupTasks: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
    activeTasksPendingRevocation: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
    standbyTasksPendingRevocation: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
    warmupTasksPendingRevocation: array(streamsGroupCurrentMemberAssignmentValueTaskIds),
  },
);
export type StreamsGroupCurrentMemberAssignmentValue = Read<typeof StreamsGroupCurrentMemberAssignmentValue>;

export const StreamsGroupTopologyKey = message(
  'StreamsGroupTopologyKey',
  { key: 23, versions: '0', flexible: 'none' },
  {
    groupId: string,
  },
);
export type StreamsGroupTopologyKey = Read<typeof StreamsGroupTopologyKey>;

const streamsGroupTopologyValueTopicConfig = struct({
  key: string,
  value: string,
});
const streamsGroupTopologyValueTopicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: array(streamsGroupTopologyValueTopicConfig),
});

export const StreamsGroupTopologyValue = message(
  'StreamsGroupTopologyValue',
  { key: 23, versions: '0', flexible: '0+' },
  {
    epoch: int32,
    subtopologies: array(
      struct({
        subtopologyId: string,
        sourceTopics: array(string),
        sourceTopicRegex: array(string),
        stateChangelogTopics: array(streamsGroupTopologyValueTopicInfo),
        repartitionSinkTopics: array(string),
        repartitionSourceTopics: array(streamsGroupTopologyValueTopicInfo),
        copartitionGroups: array(
          struct({
            sourceTopics: array(int16),
            sourceTopicRegex: array(int16),
            repartitionSourceTopics: array(int16),
          }),
        ),
      }),
    ),
  },
);
export type StreamsGroupTopologyValue = Read<typeof StreamsGroupTopologyValue>;
