/**
 * LeaveGroup (key 13). Members leave a classic group.
 *
 *     3    several members, by instance id too (KIP-345)
 *     5    reason (KIP-800)
 */
import { array, at, int16, int32, message, nullable, orNull, string, struct, type Read } from '../schema.ts';

export const LeaveGroupRequest = message(
  'LeaveGroupRequest',
  { key: 13, versions: '0-5', flexible: '4+' },
  {
    groupId: string,
    memberId: at('0-2', string),
    members: at(
      '3+',
      array(
        struct({
          memberId: string,
          groupInstanceId: orNull(string),
          reason: at('5+', orNull(string)),
        }),
      ),
    ),
  },
);
export type LeaveGroupRequest = Read<typeof LeaveGroupRequest>;

export const LeaveGroupResponse = message(
  'LeaveGroupResponse',
  { key: 13, versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: at('1+', int32),
    errorCode: int16,
    members: at(
      '3+',
      array(
        struct({
          memberId: string,
          groupInstanceId: nullable(string),
          errorCode: int16,
        }),
      ),
    ),
  },
);
export type LeaveGroupResponse = Read<typeof LeaveGroupResponse>;
