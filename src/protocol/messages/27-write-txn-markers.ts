/**
 * WriteTxnMarkers (key 27). The transaction coordinator has leaders write COMMIT or ABORT markers; an admin client
 * ends hanging transactions with it (KIP-664).
 *
 *     2    the transaction's version (KIP-1228)
 */
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
