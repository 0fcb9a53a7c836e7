/**
 * What a partition's log holds besides records of clients: control records (KIP-98), the entries of the transaction
 * index (`.txnindex`) and the snapshot of producer state (`.snapshot`).
 */
import { array, int16, int32, int64, message, struct, uint32, type Read } from '../schema.ts';

export const AbortedTxn = message(
  'AbortedTxn',
  { versions: '0', flexible: 'none' },
  {
    producerId: int64,
    firstOffset: int64,
    lastOffset: int64,
    lastStableOffset: int64,
  },
);
export type AbortedTxn = Read<typeof AbortedTxn>;

export const ControlRecordTypeSchema = message(
  'ControlRecordTypeSchema',
  { versions: '0', flexible: 'none' },
  {
    type: int16,
  },
);
export type ControlRecordTypeSchema = Read<typeof ControlRecordTypeSchema>;

export const EndTxnMarker = message(
  'EndTxnMarker',
  { versions: '0', flexible: 'none' },
  {
    coordinatorEpoch: int32,
  },
);
export type EndTxnMarker = Read<typeof EndTxnMarker>;

export const ProducerSnapshot = message(
  'ProducerSnapshot',
  { versions: '1', flexible: 'none' },
  {
    crc: uint32,
    producerEntries: array(
      struct({
        producerId: int64,
        epoch: int16,
        lastSequence: int32,
        lastOffset: int64,
        offsetDelta: int32,
        timestamp: int64,
        coordinatorEpoch: int32,
        currentTxnFirstOffset: int64,
      }),
    ),
  },
);
export type ProducerSnapshot = Read<typeof ProducerSnapshot>;
