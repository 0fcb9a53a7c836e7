/**
 * Reading a segment's batches for the cleaner: in pieces of a fixed size, with a step between them in which others have
 * their turn and the limit on bytes per second is kept. The buffer grows for a batch that is larger and shrinks behind it.
 * What is not a whole batch with a valid checksum ends the cleaning: a rewritten batch would get a checksum that is right.
 */
import type { DiskFile } from '../../base/ports.ts';
import * as header from '../../protocol/record-batch.ts';
import { BATCH_BYTES_MAX } from '../scan.ts';
import { UncleanableLog } from './cleaning-job.ts';

export interface SegmentScan {
  readonly file: DiskFile;
  readonly from: number;
  readonly to: number;
  readonly bufferBytes: number;
  readonly step: (bytes: number) => Promise<void>;
}

/**
 * Sees each batch, whole, at `at` in `buffer`, which is overwritten afterwards. `isLast`: it ends the segment. False ends
 * the scan.
 */
export type SegmentVisitor = (buffer: Buffer, at: number, isLast: boolean) => boolean;

export async function scanSegment(scan: SegmentScan, visit: SegmentVisitor): Promise<void> {
  const { file, to } = scan;
  const buffer = Buffer.allocUnsafeSlow(Math.max(scan.bufferBytes, header.BATCH_HEADER_BYTES));
  let large: Buffer | undefined;
  for (let position = scan.from; position < to;) {
    const target = (large ?? buffer).subarray(0, Math.min((large ?? buffer).length, to - position));
    const count = await file.readAsync(position, target);
    await scan.step(count);
    let at = 0;
    let sizeBytes = 0;
    while (count - at >= header.BATCH_HEADER_BYTES) {
      sizeBytes = header.batchSizeBytes(target, at);
      const left = to - position - at;
      if (sizeBytes < header.BATCH_HEADER_BYTES || sizeBytes > Math.min(left, BATCH_BYTES_MAX)) {
        throw damaged(file, position + at);
      }
      if (sizeBytes > count - at) break;
      if (header.checkBatch(target, at) !== undefined) throw damaged(file, position + at);
      if (!visit(target, at, sizeBytes === left)) return;
      at += sizeBytes;
    }
    if (at > 0) large = undefined;
    else if (count === target.length && sizeBytes > target.length) large = Buffer.allocUnsafeSlow(sizeBytes);
    else throw damaged(file, position);
    position += at;
  }
}

function damaged(file: DiskFile, position: number): UncleanableLog {
  return new UncleanableLog(`${file.path} is damaged at ${position}`);
}
