/** Opening a log as a clean shutdown left it: the record of it is believed, and no .log file is opened. */
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { removeDeleted } from './interrupted-work.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { DamagedLog, stateFields, type LoadOptions } from './load-options.ts';
import { existingSegment, listFolder, readEpochs } from './log-folder.ts';
import type { LogState } from './log-state.ts';
import { ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import { Segments } from './segments.ts';

/** Undefined: there was no clean shutdown, or its record does not match: `recoverLog` is for those. Throws DamagedLog. */
export function openCleanLog(environment: LogEnvironment, options: LoadOptions): LogState | undefined {
  const { cleanLog, settings } = options;
  if (!options.wasClean) return undefined;
  const folder = listFolder(environment.disk, options.folder);
  removeDeleted(environment, folder);
  if (folder.marked.some(({ mark }) => mark !== names.DELETED_SUFFIX) || folder.logs.length === 0)
    return undefined;
  const epochs = readEpochs(environment, folder, cleanLog?.crc.epochs);
  // Without them everything would have to be looked at again.
  if (epochs === undefined && cleanLog?.crc.epochs !== undefined) return undefined;
  const activeBase = folder.logs[folder.logs.length - 1];
  if (cleanLog !== undefined) {
    const missing = cleanLog.segments.find((baseOffset) => !folder.logs.includes(baseOffset));
    if (missing !== undefined) throw new DamagedLog(folder.path, `the segment at ${missing} is missing`);
    if (folder.logs.length !== cleanLog.segments.length) return undefined;
    const path = `${folder.path}/${names.segmentFileName(activeBase, names.LOG_SUFFIX)}`;
    const sizeBytes = environment.disk.stat(path)?.sizeBytes ?? 0;
    if (sizeBytes < cleanLog.size) {
      throw new DamagedLog(folder.path, `${path} has ${sizeBytes} bytes, it had ${cleanLog.size}`);
    }
    if (sizeBytes > cleanLog.size) return undefined;
  }
  const segments = new Segments();
  for (const baseOffset of folder.logs) {
    const isActive = baseOffset === activeBase;
    const known =
      isActive && cleanLog !== undefined ? { sizeBytes: cleanLog.size, unsyncedIndexes: cleanLog.crc } : {};
    segments.add(existingSegment(environment, folder, { baseOffset, settings, ...known }));
  }
  segments.active.isActive = true;
  const logEndOffset = cleanLog?.end ?? segments.active.endOffset();
  if (logEndOffset < options.logStartOffset || logEndOffset < options.recoveryPoint) return undefined;
  if (epochs === undefined && logEndOffset > folder.logs[0]) return undefined;
  const leaderEpochs = epochs ?? new LeaderEpochs();
  const logStartOffset = Math.max(options.logStartOffset, folder.logs[0]);
  leaderEpochs.truncateFromEnd(logEndOffset);
  leaderEpochs.truncateFromStart(logStartOffset);
  leaderEpochs.forget();
  const snapshots = new ProducerSnapshots(environment, folder.path, folder.snapshots);
  snapshots.expect(cleanLog?.crc ?? {});
  return {
    ...stateFields(options),
    segments,
    epochs: leaderEpochs,
    snapshots,
    producers: cleanLog?.producers === false ? new ProducerState(logEndOffset) : undefined,
    logStartOffset,
    logEndOffset,
    recoveryPoint: logEndOffset,
    unsynced: [],
    isNew: false,
  };
}
