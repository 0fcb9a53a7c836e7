/**
 * A coordinator's record as values and as bytes. The key begins with an int16 that tells the record's type, the value
 * with an int16 that tells the version of its schema (Kafka's format of its internal topics). A null value is a tombstone.
 */
import { codec } from '../protocol/compile.ts';
import { covers, type AnyMessage } from '../protocol/schema.ts';
import { Reader, Writer } from '../protocol/wire.ts';

export interface CoordinatorRecord {
  /** The key's type: the `key` of its message. */
  readonly type: number;
  readonly key: object;
  readonly version: number;
  /** Null: a tombstone. Its bytes may be views of what it was read from: replay copies what it keeps. */
  readonly value: object | null;
}

export interface RecordFormat {
  readonly key: AnyMessage;
  readonly value: AnyMessage;
}

/** The formats that a state machine understands, by the key's type. */
export type RecordFormats = ReadonlyMap<number, RecordFormat>;

export interface EncodedRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

export function encodeRecord(formats: RecordFormats, record: CoordinatorRecord): EncodedRecord {
  const format = formats.get(record.type)!;
  return {
    key: encode(format.key, record.type, 0, record.key),
    value: record.value === null ? null : encode(format.value, record.version, record.version, record.value),
  };
}

function encode(message: AnyMessage, prefix: number, version: number, value: object): Buffer {
  const writer = new Writer(128);
  writer.int16(prefix);
  codec(message, version).write(writer, value);
  return writer.toBuffer();
}

/** Why a record was passed over; everything else that is wrong with a record throws a ProtocolError. */
export interface SkippedRecord {
  readonly skipped: string;
}

/** The record that the bytes say, or why this state machine has no use for it: another one may have written it. */
export function decodeRecord(
  formats: RecordFormats,
  keyBytes: Buffer,
  valueBytes: Buffer | null,
): CoordinatorRecord | SkippedRecord {
  const keyReader = new Reader(keyBytes);
  const type = keyReader.int16();
  const format = formats.get(type);
  if (format === undefined) return { skipped: `record type ${type} is unknown` };
  const key = codec(format.key, 0).read(keyReader) as object;
  if (valueBytes === null) return { type, key, version: 0, value: null };
  const valueReader = new Reader(valueBytes);
  const version = valueReader.int16();
  if (!covers(format.value.versions, version)) {
    return { skipped: `record type ${type} has no value version ${version}` };
  }
  return { type, key, version, value: codec(format.value, version).read(valueReader) as object };
}

/** The formats of these pairs. */
export function recordFormats(...formats: RecordFormat[]): RecordFormats {
  return new Map(formats.map((format) => [format.key.key, format]));
}
