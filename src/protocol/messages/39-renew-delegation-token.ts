/** RenewDelegationToken (key 39). Moves the expiry of a delegation token into the future (KIP-48). */
import { bytes, int16, int32, int64, message, type Read } from '../schema.ts';

export const RenewDelegationTokenRequest = message(
  'RenewDelegationTokenRequest',
  { key: 39, versions: '1-2', flexible: '2+' },
  {
    hmac: bytes,
    renewPeriodMs: int64,
  },
);
export type RenewDelegationTokenRequest = Read<typeof RenewDelegationTokenRequest>;

export const RenewDelegationTokenResponse = message(
  'RenewDelegationTokenResponse',
  { key: 39, versions: '1-2', flexible: '2+' },
  {
    errorCode: int16,
    expiryTimestampMs: int64,
    throttleTimeMs: int32,
  },
);
export type RenewDelegationTokenResponse = Read<typeof RenewDelegationTokenResponse>;
