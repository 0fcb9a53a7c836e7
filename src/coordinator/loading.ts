/**
 * Replays a partition's log into a state machine, in slices between which the event loop serves others. Records below the
 * high watermark are committed and leave no notes in the journal; the few above it do.
 */
import type { Clock, Logger, Timers } from '../base/ports.ts';
import { endedTransaction } from '../protocol/control-records.ts';
import * as batches from '../protocol/record-batch.ts';
import { forEachRecord } from '../protocol/records.ts';
import type { Journal } from './journal.ts';
import type { CoordinatorLog } from './log.ts';
import type { StateMachine } from './machine.ts';
import { decodeRecord } from './record.ts';

/** Records replayed before others have their turn: some milliseconds. */
export const SLICE_RECORDS_MAX = 1000;

/** A coordinator writes batches of some 1 MiB; a compressed one (offsets.topic.compression.codec) opens to this at most. */
const LIMITS = { maxDecompressedBytes: 128 * 1024 * 1024 };

export interface LoadOptions {
  readonly machine: StateMachine<never>;
  readonly journal: Journal;
  readonly log: CoordinatorLog;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  /** True: somebody else is in charge now, stop as soon as possible. */
  readonly isStopped: () => boolean;
}

export interface LoadSummary {
  readonly records: number;
  readonly skipped: number;
  readonly sizeBytes: number;
  readonly tookMs: number;
}

/** Rejects when the log cannot be read or holds records that cannot be what they claim to be. */
export async function loadShard(options: LoadOptions): Promise<LoadSummary> {
  const { machine, journal, log, ports } = options;
  const startMs = ports.clock.monotonicMs();
  const endOffset = log.logEndOffset();
  const skippedReasons = new Map<string, number>();
  let offset = log.logStartOffset();
  let records = 0;
  let sizeBytes = 0;
  let recordsInSlice = 0;

  const replay = (batch: Buffer): void => {
    if (batches.isControl(batch)) {
      // Undefined: about something else, or all that it spoke of has been compacted away.
      const ended = endedTransaction(batch);
      if (ended === undefined || ended.offset < offset) return;
      journal.at(ended.offset);
      machine.replayMarker({ ...ended, committed: ended.isCommit });
      return;
    }
    const isTransactional = batches.isTransactional(batch);
    const producerId = isTransactional ? batches.producerId(batch) : -1;
    const producerEpoch = isTransactional ? batches.producerEpoch(batch) : -1;
    forEachRecord(
      batch,
      (record) => {
        if (record.offset < offset || record.key === null) return;
        journal.at(record.offset);
        const decoded = decodeRecord(machine.formats, record.key, record.value);
        if ('skipped' in decoded) {
          skippedReasons.set(decoded.skipped, (skippedReasons.get(decoded.skipped) ?? 0) + 1);
        } else {
          machine.replay(decoded, { offset: record.offset, producerId, producerEpoch });
        }
      },
      LIMITS,
    );
  };

  while (offset < endOffset && !options.isStopped()) {
    journal.commitTo(Math.min(log.highWatermark(), endOffset));
    const buffers = await log.read(offset);
    if (options.isStopped()) break;
    const before = offset;
    for (const buffer of buffers) {
      for (const at of batches.batchPositions(buffer)) {
        const batch = buffer.subarray(at, at + batches.batchSizeBytes(buffer, at));
        if (batches.lastOffset(batch) < offset) continue;
        replay(batch);
        offset = batches.lastOffset(batch) + 1;
        const count = batches.recordCount(batch);
        records += count;
        recordsInSlice += count;
        sizeBytes += batch.length;
        if (recordsInSlice >= SLICE_RECORDS_MAX) {
          recordsInSlice = 0;
          await new Promise<void>((resolve) => ports.timers.soon(resolve));
          if (options.isStopped()) return summary();
        }
      }
    }
    // Nothing further although the log does not end here: the last records were compacted away.
    if (offset === before) break;
  }
  for (const [reason, count] of skippedReasons) {
    ports.logger.warn({ reason, count }, 'records of a coordinator log were passed over');
  }
  return summary();

  function summary(): LoadSummary {
    const skipped = [...skippedReasons.values()].reduce((sum, count) => sum + count, 0);
    return { records, skipped, sizeBytes, tookMs: ports.clock.monotonicMs() - startMs };
  }
}
