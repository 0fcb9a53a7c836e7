/** AddOffsetsToTxn (key 25): Add group's offsets partition to txn. */
import { int16, int32, int64, message, string, type Read } from '../schema.ts';

export const AddOffsetsToTxnRequest = message(
  'AddOffsetsToTxnRequest',
  { key: 25, versions: '0-4', flexible: '3+' },
  {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    groupId: string,
  },
);
export type AddOffsetsToTxnRequest = Read<typeof AddOffsetsToTxnRequest>;

export const AddOffsetsToTxnResponse = message(
  'AddOffsetsToTxnResponse',
  { key: 25, versions: '0-4', flexible: '3+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
  },
);
export type AddOffsetsToTxnResponse = Read<typeof AddOffsetsToTxnResponse>;
