/** What a deletion or a compaction that was cut short has left in a log's folder: it is removed, or finished. */
import * as header from '../protocol/record-batch.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { listFolder, type LogFolder } from './log-folder.ts';
import { scanBatches } from './scan.ts';

/** What was waiting for file.delete.delay.ms when the broker stopped. */
export function removeDeleted({ disk }: LogEnvironment, { path, marked }: LogFolder): void {
  for (const { offset, suffix, mark } of marked) {
    if (mark === names.DELETED_SUFFIX) disk.remove(`${path}/${names.segmentFileName(offset, suffix)}${mark}`);
  }
}

/**
 * Leftovers of deletions and of a compaction that had not finished go; one that had is completed: what it was made of
 * goes, and it gets its name. Its content was durable before, its name need not have been.
 */
export function finishInterruptedWork(environment: LogEnvironment, folder: LogFolder): LogFolder {
  const { disk } = environment;
  const pathOf = (file: names.SegmentFileName, mark: string): string =>
    `${folder.path}/${names.segmentFileName(file.offset, file.suffix)}${mark}`;
  const { marked } = folder;
  if (marked.length === 0) return folder;
  const unfinished = new Set(
    marked.filter((file) => file.mark === names.CLEANED_SUFFIX).map((file) => file.offset),
  );
  const finished = new Set(
    marked
      .filter((file) => file.mark === names.SWAP_SUFFIX && file.suffix === names.LOG_SUFFIX)
      .map((file) => file.offset)
      .filter((offset) => !unfinished.has(offset)),
  );
  const swaps: names.SegmentFileName[] = [];
  for (const file of marked) {
    // Indexes without their log file belong to what is gone, or to what has its name already and gets them anew.
    if (file.mark === names.SWAP_SUFFIX && finished.has(file.offset)) swaps.push(file);
    else disk.remove(pathOf(file, file.mark));
  }
  disk.syncDirectory(folder.path);
  if (swaps.length > 0) {
    for (const offset of finished) {
      const end = endOfSwap(environment, folder, offset);
      for (const old of folder.logs) {
        if (old !== offset && (old < offset || old >= end)) continue;
        for (const suffix of names.SEGMENT_SUFFIXES)
          disk.remove(pathOf({ offset: old, suffix, mark: '' }, ''));
      }
    }
    disk.syncDirectory(folder.path);
    for (const file of swaps) disk.rename(pathOf(file, file.mark), pathOf(file, ''));
    disk.syncDirectory(folder.path);
  }
  return listFolder(disk, folder.path);
}

function endOfSwap({ disk }: LogEnvironment, folder: LogFolder, baseOffset: number): number {
  const path = `${folder.path}/${names.segmentFileName(baseOffset, names.LOG_SUFFIX)}${names.SWAP_SUFFIX}`;
  const file = disk.open(path, 'read');
  let end = baseOffset;
  try {
    scanBatches(file, { from: 0, to: file.sizeBytes() }, (buffer, at) => {
      end = header.lastOffset(buffer, at) + 1;
      return true;
    });
  } finally {
    file.close();
  }
  return end;
}

/** Index files without a .log file: of a deletion that was cut short. */
export function removeOrphans({ disk, logger }: LogEnvironment, folder: LogFolder): void {
  for (const file of folder.indexFiles) {
    if (folder.logs.includes(file.offset)) continue;
    const path = `${folder.path}/${names.segmentFileName(file.offset, file.suffix)}`;
    logger.warn({ path }, 'an index file without its log file is removed');
    disk.remove(path);
  }
}
