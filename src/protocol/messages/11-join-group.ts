/**
 * JoinGroup (key 11). Joins a group of the classic protocol, or begins a rebalance in it. Kafka Connect and schema
 * registries coordinate through it too.
 *
 *     1    the rebalance timeout apart from the session timeout (KIP-62)
 *     4    the member id is given out first, then joined with (KIP-394)
 *     5    static members (KIP-345)
 *     7    the protocol type is answered (KIP-559)
 *     8    reason (KIP-800)
 *     9    skipAssignment for a static leader that returns (KIP-814)
 */
import {
  array,
  at,
  bool,
  bytes,
  int16,
  int32,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const JoinGroupRequest = message(
  'JoinGroupRequest',
  { key: 11, versions: '0-9', flexible: '6+' },
  {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: at('1+', or(-1, int32)),
    memberId: string,
    groupInstanceId: at('5+', orNull(string)),
    protocolType: string,
    protocols: array(
      struct({
        name: string,
        metadata: bytes,
      }),
    ),
    reason: at('8+', orNull(string)),
  },
);
export type JoinGroupRequest = Read<typeof JoinGroupRequest>;

export const JoinGroupResponse = message(
  'JoinGroupResponse',
  { key: 11, versions: '0-9', flexible: '6+' },
  {
    throttleTimeMs: at('2+', int32),
    errorCode: int16,
    generationId: or(-1, int32),
    protocolType: at('7+', orNull(string)),
    protocolName: nullable(string, '7+'),
    leader: string,
    skipAssignment: at('9+', or(false, bool)),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: at('5+', orNull(string)),
        metadata: bytes,
      }),
    ),
  },
);
export type JoinGroupResponse = Read<typeof JoinGroupResponse>;
