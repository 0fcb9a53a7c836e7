/**
 * DescribeGroups (key 15). State, protocol and members of classic groups.
 *
 *     3    authorized operations on request (KIP-430)
 *     4    instance ids (KIP-345)
 *     6    GROUP_ID_NOT_FOUND instead of a group in state Dead (KIP-1043)
 */
import {
  array,
  at,
  bool,
  bytes,
  int16,
  int32,
  message,
  or,
  orNull,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const DescribeGroupsRequest = message(
  'DescribeGroupsRequest',
  { key: 15, versions: '0-6', flexible: '5+' },
  {
    groups: array(string),
    includeAuthorizedOperations: at('3+', bool),
  },
);
export type DescribeGroupsRequest = Read<typeof DescribeGroupsRequest>;

export const DescribeGroupsResponse = message(
  'DescribeGroupsResponse',
  { key: 15, versions: '0-6', flexible: '5+' },
  {
    throttleTimeMs: at('1+', int32),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: at('6+', orNull(string)),
        groupId: string,
        groupState: string,
        protocolType: string,
        protocolData: string,
        members: array(
          struct({
            memberId: string,
            groupInstanceId: at('4+', orNull(string)),
            clientId: string,
            clientHost: string,
            memberMetadata: bytes,
            memberAssignment: bytes,
          }),
        ),
        authorizedOperations: at('3+', or(-2147483648, int32)),
      }),
    ),
  },
);
export type DescribeGroupsResponse = Read<typeof DescribeGroupsResponse>;
