/**
 * DescribeDelegationToken (key 41). The delegation tokens of given owners (KIP-48).
 *
 *     3    who asked for the token (KIP-373)
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

export const DescribeDelegationTokenRequest = message(
  'DescribeDelegationTokenRequest',
  { key: 41, versions: '1-3', flexible: '2+' },
  {
    owners: nullable(
      array(
        struct({
          principalType: string,
          principalName: string,
        }),
      ),
    ),
  },
);
export type DescribeDelegationTokenRequest = Read<typeof DescribeDelegationTokenRequest>;

export const DescribeDelegationTokenResponse = message(
  'DescribeDelegationTokenResponse',
  { key: 41, versions: '1-3', flexible: '2+' },
  {
    errorCode: int16,
    tokens: array(
      struct({
        principalType: string,
        principalName: string,
        tokenRequesterPrincipalType: at('3+', string),
        tokenRequesterPrincipalName: at('3+', string),
        issueTimestamp: int64,
        expiryTimestamp: int64,
        maxTimestamp: int64,
        tokenId: string,
        hmac: bytes,
        renewers: array(
          struct({
            principalType: string,
            principalName: string,
          }),
        ),
      }),
    ),
    throttleTimeMs: int32,
  },
);
export type DescribeDelegationTokenResponse = Read<typeof DescribeDelegationTokenResponse>;
