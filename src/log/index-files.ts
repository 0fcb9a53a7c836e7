/** The offset and the time index of a segment, from their files; and whether these are to be believed. */
import type { Disk } from '../base/ports.ts';
import { crc32c } from '../protocol/crc32c.ts';
import { readSmallFile } from './checkpoint-file.ts';
import type { UnsyncedFiles } from './directory-files.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';

/** CRC-32Cs of index files that were written without a sync; without CRCs there are no such files. */
export type UnsyncedIndexes = Pick<UnsyncedFiles, 'index' | 'timeindex'>;

export interface IndexFiles {
  readonly offsetPath: string;
  readonly timePath: string;
  readonly baseOffset: number;
  /** Of the .log file. */
  readonly sizeBytes: number;
  /** Undefined: what there is of the files is durable. */
  readonly unsynced: UnsyncedIndexes | undefined;
}

/** Where there is a `problem` the indexes are to be made anew. */
export function readIndexes(
  disk: Disk,
  { offsetPath, timePath, baseOffset, sizeBytes, unsynced }: IndexFiles,
): { readonly offsets: OffsetIndex; readonly times: TimeIndex; readonly problem: string | undefined } {
  const offsetBytes = readSmallFile(disk, offsetPath);
  const timeBytes = readSmallFile(disk, timePath);
  const offsets = new OffsetIndex(baseOffset, offsetBytes);
  const times = new TimeIndex(baseOffset, timeBytes);
  const problem =
    offsetBytes === undefined || timeBytes === undefined
      ? 'it is missing'
      : (offsets.implausibility(sizeBytes, offsetBytes.length) ??
        times.implausibility(timeBytes.length) ??
        mismatch({ index: offsetBytes, timeindex: timeBytes }, unsynced));
  return { offsets, times, problem };
}

function mismatch(
  bytes: { readonly index: Buffer; readonly timeindex: Buffer },
  unsynced: UnsyncedIndexes | undefined,
): string | undefined {
  if (unsynced === undefined) return undefined;
  const isSame = crc32c(bytes.index) === unsynced.index && crc32c(bytes.timeindex) === unsynced.timeindex;
  return isSame ? undefined : 'it is not what the last shutdown wrote';
}
