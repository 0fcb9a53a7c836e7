/**
 * StreamsGroupDescribe (key 89). Members, tasks and topology of streams groups (KIP-1071).
 *
 *     1    the topology's description (KIP-1331) and the assignor (KIP-1357)
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
  or,
  orNull,
  string,
  struct,
  uint16,
  type Read,
} from '../schema.ts';

export const StreamsGroupDescribeRequest = message(
  'StreamsGroupDescribeRequest',
  { key: 89, versions: '0-1', flexible: '0+' },
  {
    groupIds: array(string),
    includeAuthorizedOperations: bool,
    includeTopologyDescription: at('1+', or(false, bool)),
  },
);
export type StreamsGroupDescribeRequest = Read<typeof StreamsGroupDescribeRequest>;

const streamsGroupDescribeResponseKeyValue = struct({
  key: string,
  value: string,
});
const streamsGroupDescribeResponseTopicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: array(streamsGroupDescribeResponseKeyValue),
});
const streamsGroupDescribeResponseEndpoint = struct({
  host: string,
  port: uint16,
});
const streamsGroupDescribeResponseTaskOffset = struct({
  subtopologyId: string,
  partition: int32,
  offset: int64,
});
const streamsGroupDescribeResponseTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
});
const streamsGroupDescribeResponseAssignment = struct({
  activeTasks: array(streamsGroupDescribeResponseTaskIds),
  standbyTasks: array(streamsGroupDescribeResponseTaskIds),
  warmupTasks: array(streamsGroupDescribeResponseTaskIds),
});
const streamsGroupDescribeResponseTopologyDescriptionNode = struct({
  name: at('1+', string),
  nodeType: at('1+', int8),
  sourceTopics: at('1+', array(string)),
  sinkTopic: at('1+', orNull(string)),
  stores: at('1+', array(string)),
  successors: at('1+', array(string)),
});
const streamsGroupDescribeResponseTopologyDescriptionSubtopology = struct({
  subtopologyId: at('1+', string),
  nodes: at('1+', array(streamsGroupDescribeResponseTopologyDescriptionNode)),
});
const streamsGroupDescribeResponseTopologyDescriptionGlobalStore = struct({
  source: at('1+', streamsGroupDescribeResponseTopologyDescriptionNode),
  processor: at('1+', streamsGroupDescribeResponseTopologyDescriptionNode),
});
const streamsGroupDescribeResponseTopologyDescription = struct({
  subtopologies: at('1+', array(streamsGroupDescribeResponseTopologyDescriptionSubtopology)),
  globalStores: at('1+', array(streamsGroupDescribeResponseTopologyDescriptionGlobalStore)),
});

export const StreamsGroupDescribeResponse = message(
  'StreamsGroupDescribeResponse',
  { key: 89, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: orNull(string),
        groupId: string,
        groupState: string,
        groupEpoch: int32,
        assignmentEpoch: int32,
        topology: orNull(
          struct({
            epoch: int32,
            subtopologies: orNull(
              array(
                struct({
                  subtopologyId: string,
                  sourceTopics: array(string),
                  repartitionSinkTopics: array(string),
                  stateChangelogTopics: array(streamsGroupDescribeResponseTopicInfo),
                  repartitionSourceTopics: array(streamsGroupDescribeResponseTopicInfo),
                }),
              ),
            ),
          }),
        ),
        members: array(
          struct({
            memberId: string,
            memberEpoch: int32,
            instanceId: orNull(string),
            rackId: orNull(string),
            clientId: string,
            clientHost: string,
            topologyEpoch: int32,
            processId: string,
            userEndpoint: orNull(streamsGroupDescribeResponseEndpoint),
            clientTags: array(streamsGroupDescribeResponseKeyValue),
            taskOffsets: array(streamsGroupDescribeResponseTaskOffset),
            taskEndOffsets: array(streamsGroupDescribeResponseTaskOffset),
            assignment: streamsGroupDescribeResponseAssignment,
            targetAssignment: streamsGroupDescribeResponseAssignment,
            isClassic: bool,
          }),
        ),
        authorizedOperations: or(-2147483648, int32),
        topologyDescription: at('1+', orNull(streamsGroupDescribeResponseTopologyDescription)),
        topologyDescriptionStatus: at('1+', or(0, int8)),
        assignorName: at('1+', orNull(string)),
      }),
    ),
  },
);
export type StreamsGroupDescribeResponse = Read<typeof StreamsGroupDescribeResponse>;
