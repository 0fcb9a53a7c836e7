/** AlterClientQuotas (key 49). Sets or removes quotas of users, client ids and addresses (KIP-546). */
import {
  array,
  bool,
  float64,
  int16,
  int32,
  message,
  nullable,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const AlterClientQuotasRequest = message(
  'AlterClientQuotasRequest',
  { key: 49, versions: '0-1', flexible: '1+' },
  {
    entries: array(
      struct({
        entity: array(
          struct({
            entityType: string,
            entityName: nullable(string),
          }),
        ),
        ops: array(
          struct({
            key: string,
            value: float64,
            remove: bool,
          }),
        ),
      }),
    ),
    validateOnly: bool,
  },
);
export type AlterClientQuotasRequest = Read<typeof AlterClientQuotasRequest>;

export const AlterClientQuotasResponse = message(
  'AlterClientQuotasResponse',
  { key: 49, versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32,
    entries: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        entity: array(
          struct({
            entityType: string,
            entityName: nullable(string),
          }),
        ),
      }),
    ),
  },
);
export type AlterClientQuotasResponse = Read<typeof AlterClientQuotasResponse>;
