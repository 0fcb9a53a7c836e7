/**
 * CreateDelegationToken (key 38). Issues a delegation token (KIP-48).
 *
 *     3    for another owner than the one who asks (KIP-373)
 */
import {
  array,
  at,
  bytes,
  int16,
  int32,
  int64,
  message,
  nullable,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const CreateDelegationTokenRequest = message(
  'CreateDelegationTokenRequest',
  { key: 38, versions: '1-3', flexible: '2+' },
  {
    ownerPrincipalType: at('3+', nullable(string)),
    ownerPrincipalName: at('3+', nullable(string)),
    renewers: array(
      struct({
        principalType: string,
        principalName: string,
      }),
    ),
    maxLifetimeMs: int64,
  },
);
export type CreateDelegationTokenRequest = Read<typeof CreateDelegationTokenRequest>;

export const CreateDelegationTokenResponse = message(
  'CreateDelegationTokenResponse',
  { key: 38, versions: '1-3', flexible: '2+' },
  {
    errorCode: int16,
    principalType: string,
    principalName: string,
    tokenRequesterPrincipalType: at('3+', string),
    tokenRequesterPrincipalName: at('3+', string),
    issueTimestampMs: int64,
    expiryTimestampMs: int64,
    maxTimestampMs: int64,
    tokenId: string,
    hmac: bytes,
    throttleTimeMs: int32,
  },
);
export type CreateDelegationTokenResponse = Read<typeof CreateDelegationTokenResponse>;
