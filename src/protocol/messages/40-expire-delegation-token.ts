/**
 * ExpireDelegationToken (key 40). Makes a delegation token expire, at once when the period is negative (KIP-48).
 */
import { bytes, int16, int32, int64, message, type Read } from '../schema.ts';

export const ExpireDelegationTokenRequest = message(
  'ExpireDelegationTokenRequest',
  { key: 40, versions: '1-2', flexible: '2+' },
  {
    hmac: bytes,
    expiryTimePeriodMs: int64,
  },
);
export type ExpireDelegationTokenRequest = Read<typeof ExpireDelegationTokenRequest>;

export const ExpireDelegationTokenResponse = message(
  'ExpireDelegationTokenResponse',
  { key: 40, versions: '1-2', flexible: '2+' },
  {
    errorCode: int16,
    expiryTimestampMs: int64,
    throttleTimeMs: int32,
  },
);
export type ExpireDelegationTokenResponse = Read<typeof ExpireDelegationTokenResponse>;
