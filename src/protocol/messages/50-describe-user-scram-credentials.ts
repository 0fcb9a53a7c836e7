/**
 * DescribeUserScramCredentials (key 50). Which SCRAM mechanisms users have credentials for; never the credentials
 * (KIP-554).
 */
import { array, int16, int32, int8, message, nullable, string, struct, type Read } from '../schema.ts';

export const DescribeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  { key: 50, versions: '0', flexible: '0+' },
  {
    users: nullable(
      array(
        struct({
          name: string,
        }),
      ),
    ),
  },
);
export type DescribeUserScramCredentialsRequest = Read<typeof DescribeUserScramCredentialsRequest>;

export const DescribeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  { key: 50, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    results: array(
      struct({
        user: string,
        errorCode: int16,
        errorMessage: nullable(string),
        credentialInfos: array(
          struct({
            mechanism: int8,
            iterations: int32,
          }),
        ),
      }),
    ),
  },
);
export type DescribeUserScramCredentialsResponse = Read<typeof DescribeUserScramCredentialsResponse>;
