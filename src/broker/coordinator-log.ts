/** A led partition of an internal topic as its coordinator sees it: leadership and records, and no more (coordinator/log.ts). */
import type { Clock } from '../base/ports.ts';
import type { CoordinatorAppend, CoordinatorLog } from '../coordinator/log.ts';
import { DiskError } from '../base/ports.ts';
import { Errors } from '../protocol/errors.ts';
import type { Partition } from '../replication/partition.ts';

/** `readBytesMax`: what a coordinator that loads its state reads at once; a larger batch is read all the same. */
export function coordinatorLog(
  partition: Partition,
  { clock, readBytesMax }: { readonly clock: Clock; readonly readBytesMax: () => number },
): CoordinatorLog {
  return {
    append(batch, { verification, markerTransactionVersion } = {}): CoordinatorAppend {
      try {
        const result = partition.append(batch, {
          acks: -1,
          nowMs: clock.nowMs(),
          verification,
          ...(markerTransactionVersion === undefined
            ? { origin: 'coordinator' }
            : { origin: 'marker', transactionVersion: markerTransactionVersion }),
        });
        return { errorCode: result.errorCode, baseOffset: result.baseOffset, lastOffset: result.lastOffset };
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        return { errorCode: Errors.KAFKA_STORAGE_ERROR, baseOffset: -1, lastOffset: -1 };
      }
    },
    highWatermark: () => partition.highWatermark,
    logStartOffset: () => partition.logStartOffset,
    logEndOffset: () => partition.logEndOffset,
    maxBatchBytes: () => partition.log?.settings.maxMessageBytes ?? 0,
    whenCommitted: (offset, callback) =>
      // When leadership is lost, the resignation ends the coordinator and everything it waits for.
      partition.whenCommitted(offset, (outcome) => {
        if (outcome === 'committed') callback();
      }),
    async read(fromOffset): Promise<readonly Buffer[]> {
      const { log } = partition;
      if (log === undefined) throw new DiskError('EIO', `${partition.topic}-${partition.partition}`);
      const read = await log.read({
        offset: fromOffset,
        maxBytes: readBytesMax(),
        upTo: log.logEndOffset,
        minOneMessage: true,
      });
      return read.buffers;
    },
  };
}
