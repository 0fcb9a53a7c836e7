/**
 * All logs of a broker, in its log directories (Kafka's LogManager): loads them at the start, makes new ones where there
 * is least, removes and moves them, and does what has to be done from time to time: checkpoints, retention, expiry of
 * producers.
 */
import { DiskError } from '../base/ports.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { makeCleaner, type CleanerOptions } from './cleaner/make-cleaner.ts';
import type { LogCleaner } from './cleaner/log-cleaner.ts';
import { DamagedReplicas } from './damaged-replicas.ts';
import { describeDirectories, type DirectoryDescription } from './directory-description.ts';
import { logEnvironment, type LogEnvironment, type LogLimits, type LogPorts } from './environment.ts';
import * as names from './file-names.ts';
import { removeFolder, removeLater } from './folder-removal.ts';
import type { FormerLife, Life } from './former-life.ts';
import { readHighWatermarks, writeHighWatermarks } from './high-watermark-checkpoints.ts';
import { LogAudit } from './log-audit.ts';
import { LogDirectory, LogDirectoryError } from './log-directory.ts';
import { loadDirectory } from './log-loading.ts';
import type { Log } from './log.ts';
import { giveTopicId, makeLog } from './new-log.ts';
import { ReplicaMoves } from './replica-moves.ts';
import { RetentionRounds } from './retention-rounds.ts';
import type { LogSettings } from './settings.ts';
import { StorageError } from './storage-error.ts';

export type { DirectoryDescription, ReplicaDescription } from './directory-description.ts';
export { LogDirectoryError } from './log-directory.ts';
export { StorageError } from './storage-error.ts';

/** log.flush.offset.checkpoint.interval.ms and log.flush.start.offset.checkpoint.interval.ms */
const CHECKPOINT_INTERVAL_MS = 60_000;
/** log.retention.check.interval.ms */
const RETENTION_INTERVAL_MS = 300_000;
const PRODUCER_EXPIRY_INTERVAL_MS = 600_000;

export interface LogDirectoriesOptions extends LogLimits {
  readonly ports: LogPorts;
  /** log.dirs */
  readonly directories: readonly string[];
  readonly nodeId: number;
  readonly clusterId: string;
  readonly settingsFor: (topic: string) => LogSettings;
  /** How people recognise this process, for the message that a directory is in use. */
  readonly holder?: string;
  readonly checkpointIntervalMs?: number;
  readonly retentionIntervalMs?: number;
  /** producer.id.expiration.check.interval.ms */
  readonly producerIdExpirationCheckIntervalMs?: number;
  /** The id of the topic that has this name now, where the caller knows. */
  readonly topicIdOf?: (topic: string) => string | undefined;
  /** Of a log, for retention; without it what is durable. */
  readonly highWatermarkOf?: (log: Log) => number;
  readonly cleaner?: CleanerOptions;
  /** replica.alter.log.dirs.io.max.bytes.per.second, as it is now; no limit without it. */
  readonly moveBytesPerSecond?: () => number;
}

export interface CreateOptions extends names.TopicPartition {
  readonly topicId: string;
  readonly settings: LogSettings;
  /** A path of log.dirs; else the one with the fewest logs. */
  readonly directory?: string;
}

export class LogDirectories {
  /** Called once for each directory that fails, after its logs were told. */
  onDirectoryFailure: (path: string, error: Error) => void = () => {};
  /** Called when a log turns out to be damaged while it is in use. It must be let go at once. */
  onDamage: (of: names.TopicPartition) => void = () => {};
  /** Called when a log has gone over to another directory. */
  onMoved: (log: Log) => void = () => {};
  readonly #environment: LogEnvironment;
  readonly #options: LogDirectoriesOptions;
  readonly #directories: LogDirectory[];
  readonly #logs = new Map<string, Log>();
  readonly #damaged: DamagedReplicas;
  readonly #moves: ReplicaMoves;
  /** Compacts the logs whose cleanup.policy says so. */
  readonly cleaner: LogCleaner;
  #audit: LogAudit | undefined;
  #wasClean = false;
  readonly #retention: RetentionRounds;

  private constructor(options: LogDirectoriesOptions) {
    this.#options = options;
    this.#environment = logEnvironment(options.ports, options);
    this.#directories = options.directories.map((path) => new LogDirectory(this.#environment, path));
    this.#damaged = new DamagedReplicas(this.#environment, this.#directories);
    this.#moves = new ReplicaMoves(this.#environment, {
      bytesPerSecond: options.moveBytesPerSecond ?? (() => Infinity),
      directoryOf: (log) => this.#directoryOf(log),
      onBegun: (name) => this.cleaner.abort(name),
      onMoved: (log) => this.onMoved(log),
    });
    this.#retention = new RetentionRounds(this.#environment, {
      logs: () => this.#logs.values(),
      highWatermarkOf: (log) => this.#highWatermarkOf(log),
      checkpoint: () => this.checkpoint(),
    });
    this.cleaner = makeCleaner(this.#environment, options.cleaner ?? {}, {
      logs: () => this.#logs.values(),
      directories: () => options.directories,
      highWatermarkOf: (log) => this.#highWatermarkOf(log),
      isPaused: (name) => this.#moves.has(name),
      checkpoint: (log) => this.#directoryOf(log).checkpointCleaner(),
    });
  }

  /**
   * Locks, identifies and loads all directories. Rejects with LogDirectoryError when one belongs to another process,
   * broker or cluster, or when none is usable; one that cannot be read is offline, and so is a log that is damaged.
   */
  static async open(options: LogDirectoriesOptions): Promise<LogDirectories> {
    const directories = new LogDirectories(options);
    await directories.#open();
    return directories;
  }

  async #open(): Promise<void> {
    const { nodeId, clusterId } = this.#options;
    const identity = { nodeId, clusterId, holder: this.#options.holder ?? `broker ${nodeId}` };
    try {
      for (const directory of this.#directories) {
        directory.onFailure = () => this.#directoryFailed(directory);
        try {
          directory.open(identity);
        } catch (error) {
          if (!(error instanceof DiskError)) throw error;
          directory.fail(error);
        }
      }
      const loaded = await Promise.all(this.#directories.map((directory) => this.#load(directory)));
      this.#wasClean = loaded.every((wasClean) => wasClean);
      this.#damaged.findLosses(this.#logs);
      if (this.#directories.every((directory) => directory.failure !== undefined)) {
        const causes = this.#directories.map(
          (directory) => `${directory.path}: ${directory.failure!.message}`,
        );
        throw new LogDirectoryError(`No log directory is usable (${causes.join('; ')})`);
      }
    } catch (error) {
      this.release();
      throw error;
    }
    this.#every(this.#options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS, () => this.checkpoint());
    this.#every(this.#options.retentionIntervalMs ?? RETENTION_INTERVAL_MS, () => this.deleteOldSegments());
    const expiryMs = this.#options.producerIdExpirationCheckIntervalMs ?? PRODUCER_EXPIRY_INTERVAL_MS;
    this.#every(expiryMs, () => this.#removeExpiredProducers());
    this.cleaner.start();
  }

  #every(intervalMs: number, action: () => void | Promise<unknown>): void {
    this.#environment.timers.after(intervalMs, () => {
      this.#every(intervalMs, action);
      void action();
    });
  }

  // --- Loading

  #load(directory: LogDirectory): Promise<boolean> {
    return loadDirectory(this.#environment, directory, {
      settingsFor: this.#options.settingsFor,
      onLog: (log) => this.#adopt(directory, log),
      onDamaged: ({ topic, partition }, problem) =>
        this.#damaged.add(names.partitionName(topic, partition), problem),
      onLeftover: (path) => {
        this.#environment.logger.info({ path }, 'a folder left by a deletion or a move is removed');
        removeLater(this.#environment, directory, { path, delayMs: 0 });
      },
    });
  }

  #adopt(directory: LogDirectory, log: Log): void {
    const name = names.partitionName(log.topic, log.partition);
    const other = this.#logs.get(name);
    if (other !== undefined) {
      const [kept, dropped] = this.#isRather(log, other) ? [log, other] : [other, log];
      this.#environment.logger.warn(
        { kept: kept.folder, dropped: dropped.folder },
        'a replica is in two directories',
      );
      const home = kept === log ? this.#directoryOf(other) : directory;
      this.#discard(home, dropped, name);
      if (kept === other) return;
    }
    this.#logs.set(name, log);
    directory.logs.set(name, log);
  }

  /**
   * Which of two logs of one name stays. Of two topics: one was deleted while its directory was away, and the other made
   * under its name. Of one topic: a move was cut off between its two renames, and its copy was complete before the first.
   */
  #isRather(log: Log, other: Log): boolean {
    const topicId = this.#options.topicIdOf?.(log.topic);
    if (log.topicId !== other.topicId && (log.topicId === topicId || other.topicId === topicId)) {
      return log.topicId === topicId;
    }
    return log.logEndOffset >= other.logEndOffset;
  }

  #directoryOf(log: Log): LogDirectory {
    return this.#directories.find((directory) => directory.path === log.directory)!;
  }

  // --- Looking up

  get(of: names.TopicPartition): Log | undefined {
    return this.#logs.get(names.partitionName(of.topic, of.partition));
  }

  logs(): Iterable<Log> {
    return this.#logs.values();
  }

  /** Why a partition that has files here cannot be used; undefined when it can, or has none. */
  offlineReason(topic: string, partition: number): string | undefined {
    const name = names.partitionName(topic, partition);
    const known = this.#damaged.problemOf(name);
    if (known !== undefined) return known;
    const failure = this.#logs.get(name)?.failure;
    return failure === undefined ? undefined : `the log directory failed: ${failure.message}`;
  }

  /** Names of damaged partitions. */
  offlinePartitions(): IterableIterator<string> {
    return this.#damaged.names();
  }

  /**
   * Whether a partition's files are damaged, or were found at the start without its topic's id, or without records that
   * were below the high watermark when that was last written down: somebody else has spoilt them, as no crash does. Or its
   * directory has failed since. Others must not count on this replica; once a registration has told them, all is as it was.
   */
  hasLost({ topic, partition }: names.TopicPartition): boolean {
    const name = names.partitionName(topic, partition);
    return this.#damaged.hasLost(name) || this.#logs.get(name)?.failure !== undefined;
  }

  /** In the order of log.dirs; `id` is the directory's UUID (KIP-858). */
  directories(): { readonly path: string; readonly id: string; readonly isOnline: boolean }[] {
    return this.#directories.map(({ path, id, failure }) => ({ path, id, isOnline: failure === undefined }));
  }

  /** All directories were left by a clean shutdown. False also at the first start. */
  get wasCleanShutdown(): boolean {
    return this.#wasClean;
  }

  /** What the directories knew of the broker's last life at the start; those that are offline say nothing. */
  formerLives(): FormerLife[] {
    return this.#directories.flatMap(({ formerLife }) => formerLife ?? []);
  }

  /** Durably notes the registration under which the broker lives from here on. */
  beginLife(life: Life): void {
    this.#damaged.lossesAreTold();
    for (const directory of this.#directories) directory.beginLife(life);
  }

  /** Looks at all that is here now, in the background. For brokers of a cluster, who can copy anew what is damaged. */
  startAudit(): void {
    this.#audit ??= new LogAudit(this.#environment, {
      logs: () => this.#logs.values(),
      onDamaged: (log, problem) => this.#foundDamaged(log, problem),
    });
    this.#audit.start();
  }

  #foundDamaged(log: Log, problem: string): void {
    const of = log.topicPartition;
    const name = names.partitionName(of.topic, of.partition);
    if (this.#logs.get(name) !== log || log.failure !== undefined) return;
    const directory = this.#directoryOf(log);
    this.#environment.logger.error({ ...of, problem }, 'a partition is damaged, and is used no more');
    if (!this.#damaged.mark(log, directory, problem)) return;
    this.#moves.cancel(name);
    this.cleaner.abort(name);
    this.#logs.delete(name);
    directory.logs.delete(name);
    log.markRemoved();
    this.onDamage(of);
  }

  // --- Making and removing

  /**
   * The log of a partition, made if it is not there. One that is there under another topic id belongs to a topic that
   * was deleted meanwhile: it is removed first. Throws StorageError when its files are damaged or no directory is usable.
   */
  create(options: CreateOptions): Log {
    const name = names.partitionName(options.topic, options.partition);
    const offline = this.offlineReason(options.topic, options.partition);
    if (offline !== undefined) throw new StorageError(`${name} is offline: ${offline}`);
    const existing = this.#logs.get(name);
    if (existing !== undefined) {
      if (existing.topicId === options.topicId) return existing;
      if (existing.topicId === ZERO_UUID) {
        giveTopicId(this.#environment, existing, options.topicId);
        return existing;
      }
      this.remove(options);
    }
    const directory = this.#choose(options.directory);
    try {
      return this.#make(directory, name, options);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new StorageError(`${name} cannot be made in ${directory.path}: ${error.message}`, {
        cause: error,
      });
    }
  }

  #make(directory: LogDirectory, name: string, options: CreateOptions): Log {
    directory.forget(name);
    const folder = directory.pathOf(name);
    const log = makeLog(this.#environment, directory, { ...options, folder, startOffset: 0 });
    directory.logs.set(name, log);
    this.#logs.set(name, log);
    return log;
  }

  #choose(path: string | undefined): LogDirectory {
    if (path !== undefined) {
      const wanted = this.#directories.find((directory) => directory.path === path);
      if (wanted === undefined) throw new StorageError(`${path} is not in log.dirs`);
      if (wanted.failure !== undefined)
        throw new StorageError(`${path} is offline: ${wanted.failure.message}`);
      return wanted;
    }
    let least: LogDirectory | undefined;
    for (const directory of this.#directories) {
      if (directory.failure !== undefined) continue;
      const load = directory.logs.size + directory.futures.size;
      if (least === undefined || load < least.logs.size + least.futures.size) least = directory;
    }
    if (least === undefined) throw new StorageError('no log directory is usable');
    return least;
  }

  /** Takes a log away: its folder gets a name that says so and is removed after file.delete.delay.ms. */
  remove(of: names.TopicPartition): void {
    const name = names.partitionName(of.topic, of.partition);
    this.#moves.cancel(name);
    this.cleaner.abort(name);
    const log = this.#logs.get(name);
    this.#damaged.forget(name);
    if (log === undefined) {
      this.#damaged.removeFiles(name);
      return;
    }
    this.#logs.delete(name);
    this.#discard(this.#directoryOf(log), log, name);
  }

  /**
   * The files of a damaged partition get a name under which nobody looks for them, and stay; the partition may be made anew.
   * False: it is not damaged, or its directory has failed.
   */
  setAside(of: names.TopicPartition): boolean {
    return this.#damaged.setAside(of);
  }

  #discard(directory: LogDirectory, log: Log, name: string): void {
    directory.logs.delete(name);
    log.markRemoved();
    if (directory.failure !== undefined) return;
    removeFolder(this.#environment, directory, {
      name,
      folder: log.folder,
      delayMs: log.settings.fileDeleteDelayMs,
    });
  }

  // --- Moving (AlterReplicaLogDirs)

  /**
   * Begins to copy a log to another directory; when the copy has caught up the log goes on there, the same object, and
   * `onMoved` is called. A move of the same log that is under way is given up, also when the log is in the directory
   * already. Throws StorageError when there is nothing to move, or nowhere.
   */
  moveTo(of: names.TopicPartition, path: string): void {
    const name = names.partitionName(of.topic, of.partition);
    const log = this.#logs.get(name);
    if (log === undefined) throw new StorageError(`${name} has no log here`);
    const target = this.#choose(path);
    if (target.path === log.directory) this.#moves.cancel(name);
    else this.#moves.begin(log, target);
  }

  // --- Describing

  describe(): DirectoryDescription[] {
    return describeDirectories(this.#environment, this.#directories, this.#logs);
  }

  // --- From time to time

  /** Recovery points and log starts of all directories. */
  async checkpoint(): Promise<void> {
    await Promise.all(this.#directories.map((directory) => directory.checkpoint()));
  }

  /** By partition name (`topic-partition`). */
  readHighWatermarks(): Map<string, number> {
    return readHighWatermarks(this.#directories);
  }

  /** `highWatermarks` by partition name; each goes to the directory that its log is in. */
  checkpointHighWatermarks(highWatermarks: ReadonlyMap<string, number>): Promise<void> {
    return writeHighWatermarks(this.#directories, highWatermarks);
  }

  /** Applies retention to all logs: the starts move, are made durable, then the files go. */
  deleteOldSegments(): Promise<void> {
    return this.#retention.run();
  }

  #highWatermarkOf(log: Log): number {
    return this.#options.highWatermarkOf?.(log) ?? log.durableEndOffset;
  }

  #removeExpiredProducers(): void {
    const nowMs = this.#environment.clock.nowMs();
    for (const log of this.#logs.values()) log.removeExpiredProducers(nowMs);
  }

  #directoryFailed(directory: LogDirectory): void {
    this.onDirectoryFailure(directory.path, directory.failure!);
  }

  // --- Ending

  /** Makes everything durable and marks the shutdown clean, so that the next start is quick. */
  async shutdown(options: { readonly brokerEpoch?: number } = {}): Promise<void> {
    this.#audit?.stop();
    await this.cleaner.stop();
    this.#stop();
    this.#moves.stop();
    await Promise.all(this.#directories.map((directory) => directory.close(options.brokerEpoch ?? -1)));
  }

  /** Lets go of everything as it is: to the next start this looks like a crash. */
  release(): void {
    this.#stop();
    for (const directory of this.#directories) directory.release();
  }

  #stop(): void {
    this.#retention.stop();
    this.cleaner.halt();
    this.#environment.timers.cancelAll();
  }
}
