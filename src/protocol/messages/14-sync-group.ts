/**
 * SyncGroup (key 14). The leader of a classic group hands in the assignment; every member receives its part.
 *
 *     3    static members (KIP-345)
 *     5    protocol type and name are compared (KIP-559)
 */
import { array, at, bytes, int16, int32, message, orNull, string, struct, type Read } from '../schema.ts';

export const SyncGroupRequest = message(
  'SyncGroupRequest',
  { key: 14, versions: '0-5', flexible: '4+' },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: at('3+', orNull(string)),
    protocolType: at('5+', orNull(string)),
    protocolName: at('5+', orNull(string)),
    assignments: array(
      struct({
        memberId: string,
        assignment: bytes,
      }),
    ),
  },
);
export type SyncGroupRequest = Read<typeof SyncGroupRequest>;

export const SyncGroupResponse = message(
  'SyncGroupResponse',
  { key: 14, versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: at('1+', int32),
    errorCode: int16,
    protocolType: at('5+', orNull(string)),
    protocolName: at('5+', orNull(string)),
    assignment: bytes,
  },
);
export type SyncGroupResponse = Read<typeof SyncGroupResponse>;
