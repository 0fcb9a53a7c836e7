/**
 * Control records: what brokers write among the records of clients, in batches of their own. The key is the version of
 * the key (int16) and the record's type (int16); the value of an end-of-transaction marker is the version of the value
 * (int16) and the coordinator's epoch (KIP-98). Consumers see neither.
 */
import { codec } from './compile.ts';
import { CompressionError } from './compression.ts';
import * as header from './record-batch.ts';
import { buildBatch, forEachRecord, type NewBatch, type RecordView } from './records.ts';
import { ControlRecordTypeSchema, EndTxnMarker } from './records/log.ts';
import { ProtocolError, Reader, Writer } from './wire.ts';

/** Numbers of the types. From 2 on they occur only in Kafka's own metadata log. */
export const ControlType = {
  ABORT: 0,
  COMMIT: 1,
  LEADER_CHANGE: 2,
  SNAPSHOT_HEADER: 3,
  SNAPSHOT_FOOTER: 4,
  KRAFT_VERSION: 5,
  KRAFT_VOTERS: 6,
} as const;

const VERSION = 0;
/** A marker is some twenty bytes; nothing larger is opened for one. */
const MARKER_BYTES_MAX = 4096;

export interface EndTransactionMarker extends Pick<NewBatch, 'baseOffset' | 'leaderEpoch'> {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  /** ms since the epoch */
  readonly timestamp: number;
}

/** The batch of one record that ends a producer's transaction in a partition. */
export function buildEndTransactionMarker(marker: EndTransactionMarker): Buffer {
  const { isCommit, coordinatorEpoch, timestamp, ...batch } = marker;
  const key = new Writer(4);
  key.int16(VERSION);
  codec(ControlRecordTypeSchema, VERSION).write(key, {
    type: isCommit ? ControlType.COMMIT : ControlType.ABORT,
  });
  const value = new Writer(6);
  value.int16(VERSION);
  codec(EndTxnMarker, VERSION).write(value, { coordinatorEpoch });
  const record = { key: key.toBuffer(), value: value.toBuffer(), timestamp };
  return buildBatch({ ...batch, records: [record], isTransactional: true, isControl: true });
}

/** The type of a control record, which may be one that is not known here. Errors: ProtocolError. */
export function controlType(record: RecordView): number {
  const { key } = record;
  if (key === null) throw new ProtocolError(`control record without a key at offset ${record.offset}`);
  const reader = new Reader(key);
  versionOf(reader, record);
  return codec(ControlRecordTypeSchema, VERSION).read(reader).type;
}

/** What a marker of type ABORT or COMMIT says. Errors: ProtocolError, also for any other type. */
export function readEndTransactionMarker(record: RecordView): {
  isCommit: boolean;
  coordinatorEpoch: number;
} {
  const type = controlType(record);
  const { value } = record;
  if ((type !== ControlType.ABORT && type !== ControlType.COMMIT) || value === null) {
    throw new ProtocolError(`control record of type ${type} at offset ${record.offset} ends no transaction`);
  }
  const reader = new Reader(value);
  versionOf(reader, record);
  const { coordinatorEpoch } = codec(EndTxnMarker, VERSION).read(reader);
  return { isCommit: type === ControlType.COMMIT, coordinatorEpoch };
}

export interface EndedTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  readonly offset: number;
  readonly timestamp: number;
}

/**
 * The transaction that the control batch at `at` ends: undefined for one that ends none, being empty, damaged or of
 * another type. A marker is the only record of its batch.
 */
export function endedTransaction(buffer: Buffer, at = 0): EndedTransaction | undefined {
  const batch = buffer.subarray(at, at + header.batchSizeBytes(buffer, at));
  if (header.recordCount(batch) < 1) return undefined;
  let ended: EndedTransaction | undefined;
  const visit = (record: RecordView): void => {
    ended ??= {
      producerId: header.producerId(batch),
      producerEpoch: header.producerEpoch(batch),
      ...readEndTransactionMarker(record),
      offset: header.baseOffset(batch),
      timestamp: record.timestamp,
    };
  };
  try {
    forEachRecord(batch, visit, { maxDecompressedBytes: MARKER_BYTES_MAX });
  } catch (error) {
    if (!(error instanceof ProtocolError) && !(error instanceof CompressionError)) throw error;
    return undefined;
  }
  return ended;
}

/** Later versions only add to the end, so that the fields of version 0 can be read from all of them. */
function versionOf(reader: Reader, record: RecordView): void {
  const version = reader.int16();
  if (version < 0) throw new ProtocolError(`control record of version ${version} at offset ${record.offset}`);
}
