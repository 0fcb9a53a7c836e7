/** DescribeClientQuotas (key 48). The quotas that match a filter of users, client ids and addresses (KIP-546). */
import {
  array,
  bool,
  float64,
  int16,
  int32,
  int8,
  message,
  nullable,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const DescribeClientQuotasRequest = message(
  'DescribeClientQuotasRequest',
  { key: 48, versions: '0-1', flexible: '1+' },
  {
    components: array(
      struct({
        entityType: string,
        matchType: int8,
        match: nullable(string),
      }),
    ),
    strict: bool,
  },
);
export type DescribeClientQuotasRequest = Read<typeof DescribeClientQuotasRequest>;

export const DescribeClientQuotasResponse = message(
  'DescribeClientQuotasResponse',
  { key: 48, versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    entries: nullable(
      array(
        struct({
          entity: array(
            struct({
              entityType: string,
              entityName: nullable(string),
            }),
          ),
          values: array(
            struct({
              key: string,
              value: float64,
            }),
          ),
        }),
      ),
    ),
  },
);
export type DescribeClientQuotasResponse = Read<typeof DescribeClientQuotasResponse>;
