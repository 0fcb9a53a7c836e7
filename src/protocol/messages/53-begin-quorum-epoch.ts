/**
 * BeginQuorumEpoch (key 53). A new leader of the metadata quorum makes itself known (KIP-595).
 *
 *     1    the voter's directory, and the leader's addresses (KIP-853)
 */
import {
  array,
  at,
  int16,
  int32,
  message,
  or,
  orNull,
  string,
  struct,
  tagged,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const BeginQuorumEpochRequest = message(
  'BeginQuorumEpochRequest',
  { key: 53, versions: '0-1', flexible: '1+' },
  {
    clusterId: orNull(string),
    voterId: at('1+', or(-1, int32)),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            voterDirectoryId: at('1+', uuid),
            leaderId: int32,
            leaderEpoch: int32,
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
export type BeginQuorumEpochRequest = Read<typeof BeginQuorumEpochRequest>;

export const BeginQuorumEpochResponse = message(
  'BeginQuorumEpochResponse',
  { key: 53, versions: '0-1', flexible: '1+' },
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
export type BeginQuorumEpochResponse = Read<typeof BeginQuorumEpochResponse>;
