/**
 * Snapshots of the producer state (`<offset>.snapshot`): the state after all batches below the offset in the name.
 *
 *   int16 version 1, uint32 crc, int32 count, then for each producer: int64 producer id, int16 epoch, int32 last
 *   sequence, int64 last offset, int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset of
 *   the open transaction (-1: none)
 *
 * The crc is the CRC-32C of everything from `count` on. Valid if the version is 1, the crc matches and nothing is left
 * over. Of the retained batches only the last is in the file.
 */
import { crc32c } from '../protocol/crc32c.ts';
import { codec } from '../protocol/compile.ts';
import { ProducerSnapshot } from '../protocol/records/log.ts';
import { ProtocolError, Reader, Writer } from '../protocol/wire.ts';
import { lastSequenceOf, type ProducerEntry } from './producer-state.ts';

const VERSION = 1;
const CRC_POSITION = 2;
const ENTRIES_POSITION = 6;

export function encodeSnapshot(producers: Iterable<ProducerEntry>): Buffer {
  const producerEntries = [];
  for (const entry of producers) {
    const last = entry.batches[entry.batches.length - 1];
    producerEntries.push({
      producerId: entry.producerId,
      epoch: entry.epoch,
      lastSequence: lastSequenceOf(entry),
      lastOffset: last?.lastOffset ?? -1,
      offsetDelta: last?.offsetDelta ?? 0,
      timestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
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
    return snapshot.producerEntries.map((entry) => ({
      producerId: entry.producerId,
      epoch: entry.epoch,
      coordinatorEpoch: entry.coordinatorEpoch,
      lastTimestamp: entry.timestamp,
      transactionFirstOffset: entry.currentTxnFirstOffset,
      batches:
        entry.lastOffset < 0
          ? []
          : [
              {
                lastSequence: entry.lastSequence,
                lastOffset: entry.lastOffset,
                offsetDelta: entry.offsetDelta,
                timestamp: entry.timestamp,
              },
            ],
    }));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
