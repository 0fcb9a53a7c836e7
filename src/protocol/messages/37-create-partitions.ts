/**
 * CreatePartitions (key 37). Gives topics more partitions (KIP-195).
 *
 *     3    THROTTLING_QUOTA_EXCEEDED (KIP-599)
 */
import {
  array,
  bool,
  int16,
  int32,
  message,
  nullable,
  orNull,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const CreatePartitionsRequest = message(
  'CreatePartitionsRequest',
  { key: 37, versions: '0-3', flexible: '2+' },
  {
    topics: array(
      struct({
        name: string,
        count: int32,
        assignments: nullable(
          array(
            struct({
              brokerIds: array(int32),
            }),
          ),
        ),
      }),
    ),
    timeoutMs: int32,
    validateOnly: bool,
  },
);
export type CreatePartitionsRequest = Read<typeof CreatePartitionsRequest>;

export const CreatePartitionsResponse = message(
  'CreatePartitionsResponse',
  { key: 37, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        name: string,
        errorCode: int16,
        errorMessage: orNull(string),
      }),
    ),
  },
);
export type CreatePartitionsResponse = Read<typeof CreatePartitionsResponse>;
