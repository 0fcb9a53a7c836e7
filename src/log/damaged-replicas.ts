/**
 * Replicas here that nobody can count on: those whose files are damaged, until they are set aside and copied anew, and those
 * that hold less than was committed, until a registration has told the others so.
 */
import { ZERO_UUID } from '../base/uuid.ts';
import { replaceFileNow } from './checkpoint-file.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { removeFolder, uniqueMark } from './folder-removal.ts';
import type { LogDirectory } from './log-directory.ts';
import type { Log } from './log.ts';
import { isPassing } from './storage-error.ts';

export class DamagedReplicas {
  readonly #environment: LogEnvironment;
  readonly #directories: readonly LogDirectory[];
  /** By partition name, why. */
  readonly #problems = new Map<string, string>();
  /** Partitions of which less was found at the start than had been committed. */
  readonly #lost = new Set<string>();

  constructor(environment: LogEnvironment, directories: readonly LogDirectory[]) {
    this.#environment = environment;
    this.#directories = directories;
  }

  add(name: string, problem: string): void {
    this.#problems.set(name, problem);
  }

  /** Undefined: it is not damaged. */
  problemOf(name: string): string | undefined {
    return this.#problems.get(name);
  }

  names(): IterableIterator<string> {
    return this.#problems.keys();
  }

  has(name: string): boolean {
    return this.#problems.has(name);
  }

  forget(name: string): void {
    this.#problems.delete(name);
  }

  /** Looks for logs of the start that end below the high watermark that was last written down, or are gone. */
  findLosses(logs: ReadonlyMap<string, Log>): void {
    for (const [name, log] of logs) {
      // Nothing says that it is not the log of another topic of that name.
      if (log.topicId === ZERO_UUID && log.logEndOffset > 0) this.#lost.add(name);
    }
    for (const directory of this.#directories) {
      if (directory.failure !== undefined) continue;
      for (const [name, highWatermark] of directory.readCheckpoint(names.HIGH_WATERMARK_CHECKPOINT)) {
        const log = logs.get(name);
        if (highWatermark === 0 || this.#problems.has(name)) continue;
        if (log !== undefined && log.logEndOffset >= highWatermark) continue;
        this.#lost.add(name);
        if (log === undefined) continue;
        this.#environment.logger.error(
          { log: log.folder, endOffset: log.logEndOffset, highWatermark },
          'a log has lost records that were committed',
        );
      }
    }
  }

  hasLost(name: string): boolean {
    return this.#lost.has(name) || this.#problems.has(name);
  }

  /** The others know of the losses of the start. */
  lossesAreTold(): void {
    this.#lost.clear();
  }

  /**
   * Durably marks the files of a log that is in use as damaged. False: its directory has failed instead. A full disk cannot
   * take the mark; then it is known to this process alone, and the next one has to find out again.
   */
  mark(log: Log, directory: LogDirectory, problem: string): boolean {
    try {
      const path = `${log.folder}/${names.DAMAGED_FILE}`;
      replaceFileNow(this.#environment.disk, path, Buffer.from(problem));
    } catch (error) {
      if (!isPassing(error)) {
        directory.fail(error);
        return false;
      }
      this.#environment.logger.warn({ log: log.folder, error }, 'a damaged log could not be marked');
    }
    const of = log.topicPartition;
    this.add(names.partitionName(of.topic, of.partition), problem);
    directory.noteDamaged(of, log.recoveryPoint);
    return true;
  }

  /** As LogDirectories.setAside. */
  setAside({ topic, partition }: names.TopicPartition): boolean {
    const name = names.partitionName(topic, partition);
    const { disk, random, logger } = this.#environment;
    if (!this.has(name)) return false;
    for (const directory of this.#withFiles(name)) {
      const mark = uniqueMark(random);
      const aside = directory.pathOf(names.markedFolderName({ topic, partition }, mark, 'stray'));
      try {
        disk.rename(directory.pathOf(name), aside);
        disk.syncDirectory(directory.path);
        directory.forget(name);
      } catch (error) {
        if (!isPassing(error)) directory.fail(error);
        return false;
      }
      logger.warn({ topic, partition, aside }, 'damaged files are set aside; the replica is copied anew');
    }
    this.forget(name);
    return true;
  }

  /** A damaged partition has no log, but files that would be found again. */
  removeFiles(name: string): void {
    for (const directory of this.#withFiles(name))
      removeFolder(this.#environment, directory, { name, folder: directory.pathOf(name), delayMs: 0 });
    for (const directory of this.#directories) if (directory.failure === undefined) directory.forget(name);
  }

  #withFiles(name: string): LogDirectory[] {
    const { disk } = this.#environment;
    return this.#directories.filter(
      (one) => one.failure === undefined && disk.stat(one.pathOf(name))?.isDirectory === true,
    );
  }
}
