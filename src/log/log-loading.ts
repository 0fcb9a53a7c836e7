/**
 * Loading the logs of one directory at the start. What a clean shutdown vouches for is opened as it is; the rest is
 * recovered (recovery.ts), several logs at a time. A log that is damaged does not keep the others from loading.
 */
import { DiskError } from '../base/ports.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { readSmallFile } from './checkpoint-file.ts';
import { openCleanLog } from './clean-open.ts';
import { parsePartitionMetadata, type CleanShutdown } from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import type { LogDirectory } from './log-directory.ts';
import { DamagedLog, type LoadOptions } from './load-options.ts';
import { listFolder } from './log-folder.ts';
import { Log } from './log.ts';
import { recoverLog } from './recovery.ts';
import type { LogSettings } from './settings.ts';

/** Logs whose recovery goes on at the same time, in each directory: while some wait for the disk another computes. */
const RECOVERIES_AT_ONCE = 8;

export interface LoadingListener {
  readonly settingsFor: (topic: string) => LogSettings;
  onLog(log: Log): void;
  onDamaged(of: names.TopicPartition, problem: string): void;
  /** A folder that a deletion or a move has left. */
  onLeftover(path: string): void;
}

/** False unless the directory was left by a clean shutdown. A failure of the disk ends the directory and is no error. */
export async function loadDirectory(
  environment: LogEnvironment,
  directory: LogDirectory,
  listener: LoadingListener,
): Promise<boolean> {
  if (directory.failure !== undefined) return false;
  try {
    return await new Loading(environment, directory, listener).run();
  } catch (error) {
    directory.fail(error);
    return false;
  }
}

class Loading {
  readonly #environment: LogEnvironment;
  readonly #directory: LogDirectory;
  readonly #listener: LoadingListener;

  constructor(environment: LogEnvironment, directory: LogDirectory, listener: LoadingListener) {
    this.#environment = environment;
    this.#directory = directory;
    this.#listener = listener;
  }

  async run(): Promise<boolean> {
    const directory = this.#directory;
    const shutdown = directory.takeCleanShutdown();
    const recoveryPoints = directory.readCheckpoint(names.RECOVERY_POINT_CHECKPOINT);
    const logStarts = directory.readCheckpoint(names.LOG_START_CHECKPOINT);
    const cleanedTo = directory.readCheckpoint(names.CLEANER_CHECKPOINT);
    const unclean: LoadOptions[] = [];
    for (const name of this.#environment.disk.list(directory.path)) {
      const folder = names.parsePartitionFolder(name);
      if (folder === undefined) continue;
      if (folder.mark !== undefined) {
        if (folder.mark !== 'stray') this.#listener.onLeftover(directory.pathOf(name));
        continue;
      }
      const options = this.#loadOptions(folder, { shutdown, recoveryPoints, logStarts, cleanedTo });
      if (options === undefined || this.#isKnownDamaged(options)) continue;
      if (!this.#loadClean(options)) unclean.push(options);
    }
    await this.#recover(unclean);
    // The recovery points hold again: another crash must not find old ones.
    if (unclean.length > 0) await directory.checkpoint();
    return shutdown !== undefined;
  }

  #loadOptions(
    folder: names.PartitionFolder,
    from: {
      readonly shutdown: CleanShutdown | undefined;
      readonly recoveryPoints: ReadonlyMap<string, number>;
      readonly logStarts: ReadonlyMap<string, number>;
      readonly cleanedTo: ReadonlyMap<string, number>;
    },
  ): LoadOptions | undefined {
    const { topic, partition } = folder;
    const name = names.partitionName(topic, partition);
    const path = this.#directory.pathOf(name);
    let metadata: Buffer | undefined;
    try {
      metadata = readSmallFile(this.#environment.disk, `${path}/${names.PARTITION_METADATA}`);
    } catch (error) {
      // A file with the name of a partition's folder.
      if (error instanceof DiskError && error.code === 'ENOTDIR') return undefined;
      throw error;
    }
    // Somebody else's folder, or one that a crash left empty.
    if (metadata === undefined && listFolder(this.#environment.disk, path).logs.length === 0)
      return undefined;
    const { shutdown } = from;
    const cleanLog = shutdown?.logs?.get(name);
    return {
      topic,
      partition,
      topicId: (metadata === undefined ? undefined : parsePartitionMetadata(metadata)) ?? ZERO_UUID,
      folder: path,
      settings: this.#listener.settingsFor(topic),
      logStartOffset: from.logStarts.get(name) ?? 0,
      recoveryPoint: from.recoveryPoints.get(name) ?? 0,
      cleanedTo: from.cleanedTo.get(name),
      // One that the shutdown did not know was damaged, or somebody has put it here since.
      wasClean: shutdown !== undefined && (shutdown.logs === undefined || cleanLog !== undefined),
      cleanLog,
    };
  }

  /** It was found so while a broker ran, which could not copy it anew before its end. */
  #isKnownDamaged(options: LoadOptions): boolean {
    const problem = readSmallFile(this.#environment.disk, `${options.folder}/${names.DAMAGED_FILE}`);
    if (problem === undefined) return false;
    this.#damaged(options, new DamagedLog(options.folder, problem.toString('utf8')));
    return true;
  }

  /** True when the log is settled: open, or known to be damaged. */
  #loadClean(options: LoadOptions): boolean {
    try {
      const state = openCleanLog(this.#environment, options);
      if (state === undefined) return false;
      this.#listener.onLog(new Log(this.#environment, this.#directory, state));
      return true;
    } catch (error) {
      this.#damaged(options, error);
      return true;
    }
  }

  async #recover(logs: LoadOptions[]): Promise<void> {
    const { clock, logger } = this.#environment;
    if (logs.length === 0) return;
    const startMs = clock.monotonicMs();
    logger.info(
      { directory: this.#directory.path, logs: logs.length },
      'recovering logs after an unclean shutdown',
    );
    const waiting = [...logs].reverse();
    const worker = async (): Promise<void> => {
      for (let options = waiting.pop(); options !== undefined; options = waiting.pop()) {
        try {
          const state = await recoverLog(this.#environment, options);
          this.#listener.onLog(new Log(this.#environment, this.#directory, state));
        } catch (error) {
          this.#damaged(options, error);
        }
      }
    };
    await Promise.all(Array.from({ length: RECOVERIES_AT_ONCE }, worker));
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    logger.info({ directory: this.#directory.path, logs: logs.length, tookMs }, 'logs are recovered');
  }

  #damaged(options: LoadOptions, error: unknown): void {
    if (!(error instanceof DamagedLog)) throw error;
    this.#environment.logger.error(
      { topic: options.topic, partition: options.partition, problem: error.message },
      'a partition is damaged and stays offline until it is repaired',
    );
    this.#directory.noteDamaged(options, Math.max(options.recoveryPoint, options.cleanLog?.end ?? 0));
    this.#listener.onDamaged(options, error.message);
  }
}
