/**
 * StreamsGroupTopologyDescriptionUpdate (key 93). A member of a streams group uploads the description of its topology,
 * for people to look at (KIP-1331).
 */
import { array, int16, int32, int8, message, orNull, string, struct, type Read } from '../schema.ts';

const streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode = struct({
  name: string,
  nodeType: int8,
  sourceTopics: array(string),
  sinkTopic: orNull(string),
  stores: array(string),
  successors: array(string),
});
const streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionSubtopology = struct({
  subtopologyId: string,
  nodes: array(streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode),
});
const streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionGlobalStore = struct({
  source: streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode,
  processor: streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode,
});
const streamsGroupTopologyDescriptionUpdateRequestTopologyDescription = struct({
  subtopologies: array(streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionSubtopology),
  globalStores: array(streamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionGlobalStore),
});

export const StreamsGroupTopologyDescriptionUpdateRequest = message(
  'StreamsGroupTopologyDescriptionUpdateRequest',
  { key: 93, versions: '0', flexible: '0+' },
  {
    groupId: string,
    memberId: string,
    topologyEpoch: int32,
    topologyDescription: streamsGroupTopologyDescriptionUpdateRequestTopologyDescription,
  },
);
export type StreamsGroupTopologyDescriptionUpdateRequest = Read<
  typeof StreamsGroupTopologyDescriptionUpdateRequest
>;

export const StreamsGroupTopologyDescriptionUpdateResponse = message(
  'StreamsGroupTopologyDescriptionUpdateResponse',
  { key: 93, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
  },
);
export type StreamsGroupTopologyDescriptionUpdateResponse = Read<
  typeof StreamsGroupTopologyDescriptionUpdateResponse
>;
