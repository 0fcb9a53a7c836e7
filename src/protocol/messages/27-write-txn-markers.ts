/** WriteTxnMarkers (key 27): Txn coordinator writes COMMIT/ABORT markers; also Admin.abortTransaction. */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  int8,
  message,
  or,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const WriteTxnMarkersRequest = message(
  'WriteTxnMarkersRequest',
  { key: 27, versions: '1-2', flexible: '1+' },
  {
    markers: array(
      struct({
        producerId: int64,
        producerEpoch: int16,
        transactionResult: bool,
        topics: array(
          struct({
            name: string,
            partitionIndexes: array(int32),
          }),
        ),
        coordinatorEpoch: int32,
        transactionVersion: at('2+', or(0, int8)),
      }),
    ),
  },
);
export type WriteTxnMarkersRequest = Read<typeof WriteTxnMarkersRequest>;

export const WriteTxnMarkersResponse = message(
  'WriteTxnMarkersResponse',
  { key: 27, versions: '1-2', flexible: '1+' },
  {
    markers: array(
      struct({
        producerId: int64,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                errorCode: int16,
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type WriteTxnMarkersResponse = Read<typeof WriteTxnMarkersResponse>;
