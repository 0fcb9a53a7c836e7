/**
 * DescribeCluster (key 60). Cluster id, controller and brokers: what admin clients ask first (KIP-700).
 *
 *     1    brokers or controllers (KIP-919)
 *     2    fenced brokers on request (KIP-1073)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int8,
  message,
  or,
  orNull,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const DescribeClusterRequest = message(
  'DescribeClusterRequest',
  { key: 60, versions: '0-2', flexible: '0+' },
  {
    includeClusterAuthorizedOperations: bool,
    endpointType: at('1+', or(1, int8)),
    includeFencedBrokers: at('2+', bool),
  },
);
export type DescribeClusterRequest = Read<typeof DescribeClusterRequest>;

export const DescribeClusterResponse = message(
  'DescribeClusterResponse',
  { key: 60, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    endpointType: at('1+', or(1, int8)),
    clusterId: string,
    controllerId: or(-1, int32),
    brokers: array(
      struct({
        brokerId: int32,
        host: string,
        port: int32,
        rack: orNull(string),
        isFenced: at('2+', bool),
      }),
    ),
    clusterAuthorizedOperations: or(-2147483648, int32),
  },
);
export type DescribeClusterResponse = Read<typeof DescribeClusterResponse>;
