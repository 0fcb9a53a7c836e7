/**
 * EndQuorumEpoch (key 54). A leader of the metadata quorum resigns and names successors (KIP-595).
 *
 *     1    successors with their directories, and the leader's addresses (KIP-853)
 */
import {
  array,
  at,
  int16,
  int32,
  message,
  orNull,
  string,
  struct,
  tagged,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const EndQuorumEpochRequest = message(
  'EndQuorumEpochRequest',
  { key: 54, versions: '0-1', flexible: '1+' },
  {
    clusterId: orNull(string),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: int32,
            preferredSuccessors: at('0', array(int32)),
            preferredCandidates: at(
              '1+',
              array(
                struct({
                  candidateId: int32,
                  candidateDirectoryId: uuid,
                }),
              ),
            ),
          }),
        ),
      }),
    ),
    leaderEndpoints: at(
      '1+',
      array(
        struct({
          name: string,
          host: string,
          port: uint16,
        }),
      ),
    ),
  },
);
export type EndQuorumEpochRequest = Read<typeof EndQuorumEpochRequest>;

export const EndQuorumEpochResponse = message(
  'EndQuorumEpochResponse',
  { key: 54, versions: '0-1', flexible: '1+' },
  {
    errorCode: int16,
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            leaderId: int32,
            leaderEpoch: int32,
          }),
        ),
      }),
    ),
    nodeEndpoints: at(
      '1+',
      tagged(
        0,
        array(
          struct({
            nodeId: int32,
            host: string,
            port: uint16,
          }),
        ),
      ),
    ),
  },
);
export type EndQuorumEpochResponse = Read<typeof EndQuorumEpochResponse>;
