/**
 * AddOffsetsToTxn (key 25). Adds a group's partition of __consumer_offsets to a transaction.
 *
 *     2    PRODUCER_FENCED (KIP-588)
 *     4    TRANSACTION_ABORTABLE (KIP-890)
 */
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
