/**
 * Metadata (key 3). Brokers, topics, partitions and their leaders: the first thing a client asks, and again whenever a
 * leader is not where it was.
 *
 *     0    an empty list of topics means all; from 1 on null does, and empty means none
 *     1    racks, the controller, internal topics
 *     2    cluster id (KIP-78)
 *     4    whether topics may be created by asking
 *     5    offline replicas (KIP-112)
 *     7    leader epochs (KIP-320)
 *     8    authorized operations on request (KIP-430)
 *     10   topic ids, which work from 12 on (KIP-516)
 *     11   no cluster operations any more: see DescribeCluster (KIP-700)
 *     13   an error for the whole answer (KIP-1102)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const MetadataRequest = message(
  'MetadataRequest',
  { key: 3, versions: '0-13', flexible: '9+' },
  {
    topics: nullable(
      array(
        struct({
          topicId: at('10+', uuid),
          name: nullable(string, '10+'),
        }),
      ),
      '1+',
    ),
    allowAutoTopicCreation: at('4+', or(true, bool)),
    includeClusterAuthorizedOperations: at('8-10', bool),
    includeTopicAuthorizedOperations: at('8+', bool),
  },
);
export type MetadataRequest = Read<typeof MetadataRequest>;

export const MetadataResponse = message(
  'MetadataResponse',
  { key: 3, versions: '0-13', flexible: '9+' },
  {
    throttleTimeMs: at('3+', int32),
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: at('1+', orNull(string)),
      }),
    ),
    clusterId: at('2+', orNull(string)),
    controllerId: at('1+', or(-1, int32)),
    topics: array(
      struct({
        errorCode: int16,
        name: nullable(string, '12+'),
        topicId: at('10+', uuid),
        isInternal: at('1+', or(false, bool)),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: at('7+', or(-1, int32)),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            offlineReplicas: at('5+', array(int32)),
          }),
        ),
        topicAuthorizedOperations: at('8+', or(-2147483648, int32)),
      }),
    ),
    clusterAuthorizedOperations: at('8-10', or(-2147483648, int32)),
    errorCode: at('13+', int16),
  },
);
export type MetadataResponse = Read<typeof MetadataResponse>;
