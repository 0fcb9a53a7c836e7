/** AlterUserScramCredentials (key 51). Sets or deletes users' SCRAM credentials (KIP-554). */
import { array, bytes, int16, int32, int8, message, nullable, string, struct, type Read } from '../schema.ts';

export const AlterUserScramCredentialsRequest = message(
  'AlterUserScramCredentialsRequest',
  { key: 51, versions: '0', flexible: '0+' },
  {
    deletions: array(
      struct({
        name: string,
        mechanism: int8,
      }),
    ),
    upsertions: array(
      struct({
        name: string,
        mechanism: int8,
        iterations: int32,
        salt: bytes,
        saltedPassword: bytes,
      }),
    ),
  },
);
export type AlterUserScramCredentialsRequest = Read<typeof AlterUserScramCredentialsRequest>;

export const AlterUserScramCredentialsResponse = message(
  'AlterUserScramCredentialsResponse',
  { key: 51, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        user: string,
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    ),
  },
);
export type AlterUserScramCredentialsResponse = Read<typeof AlterUserScramCredentialsResponse>;
