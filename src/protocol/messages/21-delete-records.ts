/**
 * DeleteRecords (key 21). Moves the log start offset of partitions forward: what lies before can no longer be read
 * (KIP-107).
 */
import { array, int16, int32, int64, message, string, struct, type Read } from '../schema.ts';

export const DeleteRecordsRequest = message(
  'DeleteRecordsRequest',
  { key: 21, versions: '0-2', flexible: '2+' },
  {
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            offset: int64,
          }),
        ),
      }),
    ),
    timeoutMs: int32,
  },
);
export type DeleteRecordsRequest = Read<typeof DeleteRecordsRequest>;

export const DeleteRecordsResponse = message(
  'DeleteRecordsResponse',
  { key: 21, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            lowWatermark: int64,
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
);
export type DeleteRecordsResponse = Read<typeof DeleteRecordsResponse>;
