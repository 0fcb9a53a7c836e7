/**
 * Vote (key 52). A candidate asks a voter of the metadata quorum for its vote (KIP-595).
 *
 *     1    the voter's directory, and the leader's address (KIP-853)
 *     2    a vote without raising the epoch first (KIP-996)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
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

export const VoteRequest = message(
  'VoteRequest',
  { key: 52, versions: '0-2', flexible: '0+' },
  {
    clusterId: orNull(string),
    voterId: at('1+', or(-1, int32)),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            replicaEpoch: int32,
            replicaId: int32,
            replicaDirectoryId: at('1+', uuid),
            voterDirectoryId: at('1+', uuid),
            lastOffsetEpoch: int32,
            lastOffset: int64,
            preVote: at('2+', bool),
          }),
        ),
      }),
    ),
  },
);
export type VoteRequest = Read<typeof VoteRequest>;

export const VoteResponse = message(
  'VoteResponse',
  { key: 52, versions: '0-2', flexible: '0+' },
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
            voteGranted: bool,
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
export type VoteResponse = Read<typeof VoteResponse>;
