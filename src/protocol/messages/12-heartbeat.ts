/**
 * Heartbeat (key 12). A member of a classic group says that it lives, and learns of rebalances.
 *
 *     3    static members (KIP-345)
 */
import { at, int16, int32, message, orNull, string, type Read } from '../schema.ts';

export const HeartbeatRequest = message(
  'HeartbeatRequest',
  { key: 12, versions: '0-4', flexible: '4+' },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: at('3+', orNull(string)),
  },
);
export type HeartbeatRequest = Read<typeof HeartbeatRequest>;

export const HeartbeatResponse = message(
  'HeartbeatResponse',
  { key: 12, versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: at('1+', int32),
    errorCode: int16,
  },
);
export type HeartbeatResponse = Read<typeof HeartbeatResponse>;
