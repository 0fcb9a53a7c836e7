/**
 * StreamsGroupHeartbeat (key 88). Everything that a member of a streams group says and is told: topology in, tasks out
 * (KIP-1071).
 *
 *     1    whether the topology's description is wanted (KIP-1331); status MISSING_CLIENT_TAGS (KIP-1357)
 */
import {
  array,
  at,
  bool,
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
  uint16,
  type Read,
} from '../schema.ts';

const streamsGroupHeartbeatRequestKeyValue = struct({
  key: string,
  value: string,
});
const streamsGroupHeartbeatRequestTopicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: array(streamsGroupHeartbeatRequestKeyValue),
});
const streamsGroupHeartbeatRequestTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
});
const streamsGroupHeartbeatRequestEndpoint = struct({
  host: string,
  port: uint16,
});
const streamsGroupHeartbeatRequestTaskOffset = struct({
  subtopologyId: string,
  partition: int32,
  offset: int64,
});

export const StreamsGroupHeartbeatRequest = message(
  'StreamsGroupHeartbeatRequest',
  { key: 88, versions: '0-1', flexible: '0+' },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    endpointInformationEpoch: int32,
    instanceId: orNull(string),
    rackId: orNull(string),
    rebalanceTimeoutMs: or(-1, int32),
    topology: orNull(
      struct({
        epoch: int32,
        subtopologies: array(
          struct({
            subtopologyId: string,
            sourceTopics: array(string),
            sourceTopicRegex: array(string),
            stateChangelogTopics: array(streamsGroupHeartbeatRequestTopicInfo),
            repartitionSinkTopics: array(string),
            repartitionSourceTopics: array(streamsGroupHeartbeatRequestTopicInfo),
            copartitionGroups: array(
              struct({
                sourceTopics: array(int16),
                sourceTopicRegex: array(int16),
                repartitionSourceTopics: array(int16),
              }),
            ),
          }),
        ),
      }),
    ),
    activeTasks: orNull(array(streamsGroupHeartbeatRequestTaskIds)),
    standbyTasks: orNull(array(streamsGroupHeartbeatRequestTaskIds)),
    warmupTasks: orNull(array(streamsGroupHeartbeatRequestTaskIds)),
    processId: orNull(string),
    userEndpoint: orNull(streamsGroupHeartbeatRequestEndpoint),
    clientTags: orNull(array(streamsGroupHeartbeatRequestKeyValue)),
    taskOffsets: orNull(array(streamsGroupHeartbeatRequestTaskOffset)),
    taskEndOffsets: orNull(array(streamsGroupHeartbeatRequestTaskOffset)),
    shutdownApplication: or(false, bool),
  },
);
export type StreamsGroupHeartbeatRequest = Read<typeof StreamsGroupHeartbeatRequest>;

const streamsGroupHeartbeatResponseStatus = struct({
  statusCode: int8,
  statusDetail: string,
});
const streamsGroupHeartbeatResponseTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
});
const streamsGroupHeartbeatResponseEndpoint = struct({
  host: string,
  port: uint16,
});
const streamsGroupHeartbeatResponseTopicPartition = struct({
  topic: string,
  partitions: array(int32),
});

export const StreamsGroupHeartbeatResponse = message(
  'StreamsGroupHeartbeatResponse',
  { key: 88, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    memberId: string,
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    acceptableRecoveryLagLegacy: at('0', int32),
    taskOffsetIntervalMs: int32,
    acceptableRecoveryLag: at('1+', or(-1, int64)),
    status: nullable(array(streamsGroupHeartbeatResponseStatus)),
    activeTasks: orNull(array(streamsGroupHeartbeatResponseTaskIds)),
    standbyTasks: orNull(array(streamsGroupHeartbeatResponseTaskIds)),
    warmupTasks: orNull(array(streamsGroupHeartbeatResponseTaskIds)),
    topologyDescriptionRequired: at('1+', or(false, bool)),
    endpointInformationEpoch: int32,
    partitionsByUserEndpoint: orNull(
      array(
        struct({
          userEndpoint: streamsGroupHeartbeatResponseEndpoint,
          activePartitions: array(streamsGroupHeartbeatResponseTopicPartition),
          standbyPartitions: array(streamsGroupHeartbeatResponseTopicPartition),
        }),
      ),
    ),
  },
);
export type StreamsGroupHeartbeatResponse = Read<typeof StreamsGroupHeartbeatResponse>;
