/**
 * Goes through the batches of a .log file. A .log file is record batches (protocol/record-batch.ts), one after the
 * other, with nothing between them; what follows the last whole batch is the rest of a write that did not happen.
 */
import type { DiskFile } from '../base/ports.ts';
import * as header from '../protocol/record-batch.ts';

/** What is read at once; more when a batch is larger. */
const CHUNK_BYTES = 256 * 1024;
/** A batch that claims more is damage: no request can carry it. */
export const BATCH_BYTES_MAX = 256 * 1024 ** 2;

/**
 * Sees a batch that begins at `at` in `buffer`, all of it, and at `position` in the file. The buffer is overwritten
 * afterwards. False ends the scan before this batch.
 */
export type BatchVisitor = (buffer: Buffer, at: number, position: number) => boolean;

export interface ScanRange {
  /** Where a batch begins. */
  readonly from: number;
  readonly to: number;
}

/** The position at which the scan ended: behind the last whole batch that the visitor let pass. */
export function scanBatches(file: DiskFile, range: ScanRange, visit: BatchVisitor): number {
  const scan = new Scan(range);
  for (let target = scan.target(); target !== undefined; target = scan.target()) {
    scan.feed(file.read(scan.position, target), visit);
  }
  return scan.position;
}

/**
 * As above without blocking: each chunk is read in the background. `file` is asked for each, since the limit on open
 * files may have closed the last one meanwhile.
 */
export async function scanBatchesAsync(
  file: () => DiskFile,
  range: ScanRange,
  visit: BatchVisitor,
): Promise<number> {
  const scan = new Scan(range);
  for (let target = scan.target(); target !== undefined; target = scan.target()) {
    scan.feed(await file().readAsync(scan.position, target), visit);
  }
  return scan.position;
}

class Scan {
  position: number;
  readonly #to: number;
  #buffer: Buffer;
  #isDone = false;

  constructor(range: ScanRange) {
    this.position = range.from;
    this.#to = range.to;
    this.#buffer = Buffer.allocUnsafe(Math.max(0, Math.min(CHUNK_BYTES, range.to - range.from)));
  }

  /** Where the next bytes go; undefined at the end. */
  target(): Buffer | undefined {
    const left = this.#to - this.position;
    if (this.#isDone || left < header.BATCH_HEADER_BYTES) return undefined;
    return this.#buffer.subarray(0, Math.min(this.#buffer.length, left));
  }

  feed(count: number, visit: BatchVisitor): void {
    const buffer = this.#buffer;
    let at = 0;
    while (count - at >= header.BATCH_HEADER_BYTES) {
      const sizeBytes = header.batchSizeBytes(buffer, at);
      const left = this.#to - this.position - at;
      if (!isPlausible(buffer, at, sizeBytes, left)) {
        this.#isDone = true;
        break;
      }
      if (sizeBytes > count - at) {
        if (at === 0 && sizeBytes > buffer.length) this.#buffer = Buffer.allocUnsafe(sizeBytes);
        else if (at === 0) this.#isDone = true;
        break;
      }
      if (!visit(buffer, at, this.position + at)) {
        this.#isDone = true;
        break;
      }
      at += sizeBytes;
    }
    // Nothing passed and nothing more can be read: the file is shorter than it was said to be.
    if (at === 0 && this.#buffer === buffer) this.#isDone = true;
    this.position += at;
  }
}

function isPlausible(buffer: Buffer, at: number, sizeBytes: number, left: number): boolean {
  return (
    sizeBytes >= header.BATCH_HEADER_BYTES &&
    sizeBytes <= left &&
    sizeBytes <= BATCH_BYTES_MAX &&
    header.magic(buffer, at) === header.MAGIC_CURRENT
  );
}
