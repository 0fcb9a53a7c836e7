/**
 * Snapshots of the producer state (`<offset>.snapshot`): the state after all batches below the offset in the name.
 *
 *   int16 version 1, uint32 crc, int32 count, then for each producer: int64 producer id, int16 epoch, int32 last
 *   sequence, int64 last offset, int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset of
 *   the open transaction (-1: none)
 *
 * The crc is the CRC-32C of everything from `count` on. Valid if the version is 1, the crc matches and nothing is left
 * over.
 *
 * There is one entry for each retained batch, a producer's latest last. Kafka writes only that one, and where a producer
 * has several entries it takes the last, so it reads our files and we read its. With the last batch alone a producer that
 * has several batches unanswered when the broker stops is told that the first of them is out of order, and Java's then
 * sends them all again under a new epoch: twice in the log.
 */
import { crc32c } from '../protocol/crc32c.ts';
import { codec } from '../protocol/compile.ts';
import { ProducerSnapshot } from '../protocol/records/log.ts';
import { ProtocolError, Reader, Writer } from '../protocol/wire.ts';
import { BATCHES_RETAINED, type BatchMetadata, type ProducerEntry } from './producer-state.ts';

const VERSION = 1;
const CRC_POSITION = 2;
const ENTRIES_POSITION = 6;

/** In the place of the batch of a producer that has none left. */
const NO_BATCH: Omit<BatchMetadata, 'timestamp'> = { lastSequence: -1, lastOffset: -1, offsetDelta: 0 };

export function encodeSnapshot(producers: Iterable<ProducerEntry>): Buffer {
  const producerEntries = [];
  for (const entry of producers) {
    const { producerId, epoch, coordinatorEpoch, batches } = entry;
    for (const { timestamp, ...batch } of batches.slice(0, -1)) {
      const common = { producerId, epoch, timestamp, coordinatorEpoch };
      producerEntries.push({ ...common, ...batch, currentTxnFirstOffset: -1 });
    }
    const { lastSequence, lastOffset, offsetDelta } = batches.at(-1) ?? NO_BATCH;
    producerEntries.push({
      producerId,
      epoch,
      lastSequence,
      lastOffset,
      offsetDelta,
      timestamp: entry.lastTimestamp,
      coordinatorEpoch,
      currentTxnFirstOffset: entry.transactionFirstOffset,
    });
  }
  const writer = new Writer();
  writer.int16(VERSION);
  codec(ProducerSnapshot, VERSION).write(writer, { crc: 0, producerEntries });
  const bytes = writer.toBuffer();
  bytes.writeUInt32BE(crc32c(bytes, ENTRIES_POSITION), CRC_POSITION);
  return bytes;
}

/** Undefined when the bytes are no valid snapshot. */
export function decodeSnapshot(bytes: Buffer): ProducerEntry[] | undefined {
  if (bytes.length < ENTRIES_POSITION || bytes.readInt16BE(0) !== VERSION) return undefined;
  if (bytes.readUInt32BE(CRC_POSITION) !== crc32c(bytes, ENTRIES_POSITION)) return undefined;
  try {
    const reader = new Reader(bytes, CRC_POSITION);
    const snapshot = codec(ProducerSnapshot, VERSION).read(reader);
    if (reader.remaining() > 0) return undefined;
    const entries = new Map<number, ProducerEntry>();
    for (const entry of snapshot.producerEntries) {
      const { producerId, epoch, lastSequence, lastOffset, offsetDelta, timestamp } = entry;
      const before = entries.get(producerId);
      const batches = before?.epoch === epoch ? before.batches : [];
      if (lastOffset >= 0) batches.push({ lastSequence, lastOffset, offsetDelta, timestamp });
      entries.set(producerId, {
        producerId,
        epoch,
        coordinatorEpoch: entry.coordinatorEpoch,
        lastTimestamp: timestamp,
        transactionFirstOffset: entry.currentTxnFirstOffset,
        batches: batches.slice(-BATCHES_RETAINED),
      });
    }
    return [...entries.values()];
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
