/**
 * One log directory (an entry of log.dirs): its identity and lock, the rounds that make its logs durable, its
 * checkpoints, and its end. When the device fails the directory goes offline with all its logs and never comes back
 * while the process lives; other directories go on.
 */
import type { DiskLock, Logger } from '../base/ports.ts';
import { randomUuid, ZERO_UUID } from '../base/uuid.ts';
import {
  formatOffsetCheckpoint,
  readOffsetCheckpoint,
  makeDurableDirectory,
  readSmallFile,
  replaceFile,
  replaceFileNow,
  CheckpointError,
  type PartitionOffset,
} from './checkpoint-file.ts';
import {
  formatCleanShutdown,
  formatMetaProperties,
  parseCleanShutdown,
  parseMetaProperties,
  type CleanLog,
  type CleanShutdown,
} from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { formatLife, parseLife, type FormerLife, type Life } from './former-life.ts';
import type { LogHome } from './log-home.ts';
import type { Log } from './log.ts';
import { isPassing } from './storage-error.ts';
import { SyncRounds, type Syncable } from './sync-rounds.ts';

/** What a folder that is made anew must not inherit. */
const FORGOTTEN = [names.RECOVERY_POINT_CHECKPOINT, names.LOG_START_CHECKPOINT, names.CLEANER_CHECKPOINT];
/** Who holds the lock, in words, for the one that does not get it. */
const HOLDER_FILE = '.lock-holder';

/** The start is refused: nothing that trying again would change. The message is for people. */
export class LogDirectoryError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LogDirectoryError';
  }
}

export interface DirectoryIdentity {
  readonly nodeId: number;
  readonly clusterId: string;
  /** Tells people which process this is: written beside the lock. */
  readonly holder: string;
}

export class LogDirectory implements LogHome {
  readonly path: string;
  /** KIP-858; ZERO_UUID until it is opened. */
  id: string = ZERO_UUID;
  /** By folder name without mark. */
  readonly logs = new Map<string, Log>();
  /** Copies that are being made here of logs in other directories. */
  readonly futures = new Map<string, Log>();
  failure: Error | undefined;
  /** What was found at the start. */
  formerLife: FormerLife | undefined;
  /** Called once. */
  onFailure: (directory: LogDirectory) => void = () => {};
  readonly #environment: LogEnvironment;
  readonly #logger: Logger;
  readonly #rounds: SyncRounds;
  #lock: DiskLock | undefined;
  #areNamesDirty = false;
  /** Under way: a log whose name was there when one began, and was not asked for again, is durable by it. */
  readonly #nameSyncs = new Set<Promise<void>>();
  /** As last written; a checkpoint that has not changed is not written again. */
  readonly #written = new Map<string, Buffer>();
  /** Those of them whose names are known to be durable as well. */
  readonly #durable = new Map<string, Buffer>();
  readonly #damaged = new Map<string, PartitionOffset>();
  /** The folder names that occur in each checkpoint. */
  readonly #named = new Map<string, ReadonlySet<string>>();
  /** Counts synchronous rewrites: an older one that is under way must not come after. */
  readonly #generations = new Map<string, number>();
  #checkpointing: Promise<void> = Promise.resolve();
  #removing: Promise<void> = Promise.resolve();
  #isReleased = false;
  #hasLife = false;

  constructor(environment: LogEnvironment, path: string) {
    this.path = path;
    this.#environment = environment;
    this.#logger = environment.logger.child({ directory: path });
    this.#rounds = new SyncRounds({ timers: environment.timers, onFailure: (error) => this.fail(error) });
  }

  pathOf(name: string): string {
    return `${this.path}/${name}`;
  }

  // --- Opening

  /** Locks the directory and checks that it belongs here. Throws LogDirectoryError, or DiskError when it is unusable. */
  open(identity: DirectoryIdentity): void {
    const { disk } = this.#environment;
    makeDurableDirectory(disk, this.path);
    this.#lock = disk.lock(this.pathOf(names.LOCK_FILE));
    if (this.#lock === undefined) {
      const holder = readSmallFile(disk, this.pathOf(HOLDER_FILE))?.toString('utf8') ?? 'another process';
      throw new LogDirectoryError(`The log directory ${this.path} is in use by ${holder}`);
    }
    try {
      this.#writeHolder(identity.holder);
      this.#identify(identity);
    } catch (error) {
      this.unlock();
      throw error;
    }
  }

  #writeHolder(holder: string): void {
    const file = this.#environment.disk.open(this.pathOf(HOLDER_FILE), 'create');
    try {
      file.truncate(0);
      file.write(0, [Buffer.from(holder)]);
    } finally {
      file.close();
    }
  }

  #identify({ nodeId, clusterId }: DirectoryIdentity): void {
    const { disk, random } = this.#environment;
    const path = this.pathOf(names.META_PROPERTIES);
    const content = readSmallFile(disk, path);
    const meta = content === undefined ? undefined : parseMetaProperties(content);
    if (content !== undefined && content.length > 0 && meta === undefined) {
      throw new LogDirectoryError(`${path} cannot be understood: is ${this.path} a log directory?`);
    }
    if (meta !== undefined && meta.clusterId !== clusterId) {
      throw new LogDirectoryError(
        `The log directory ${this.path} belongs to cluster ${meta.clusterId}, this is cluster ${clusterId}`,
      );
    }
    if (meta !== undefined && meta.nodeId !== nodeId) {
      throw new LogDirectoryError(
        `The log directory ${this.path} belongs to broker ${meta.nodeId}, this is broker ${nodeId}`,
      );
    }
    this.id = meta?.directoryId ?? ZERO_UUID;
    if (this.id !== ZERO_UUID) return;
    this.id = randomUuid(random);
    replaceFileNow(disk, path, formatMetaProperties({ clusterId, nodeId, directoryId: this.id }));
  }

  /** What the last shutdown left; undefined when it was not clean. From here on a crash counts as one. */
  takeCleanShutdown(): CleanShutdown | undefined {
    const { disk } = this.#environment;
    const path = this.pathOf(names.CLEAN_SHUTDOWN_FILE);
    const content = readSmallFile(disk, path);
    if (content !== undefined) disk.remove(path);
    // Without a clean shutdown, names that are seen here may be in memory only.
    disk.syncDirectory(this.path);
    const shutdown = content === undefined ? undefined : parseCleanShutdown(content);
    const life = parseLife(readSmallFile(disk, this.pathOf(names.LIFE_FILE)));
    this.#hasLife = life !== undefined;
    this.formerLife = {
      directoryId: this.id,
      brokerEpoch: shutdown?.brokerEpoch ?? life?.brokerEpoch ?? -1,
      bootId: life?.bootId,
      wasClean: shutdown !== undefined,
    };
    return shutdown;
  }

  /** Durably notes under which registration the directory is in use from here on. */
  beginLife(life: Life): void {
    if (this.failure !== undefined) return;
    this.#hasLife = true;
    try {
      replaceFileNow(this.#environment.disk, this.pathOf(names.LIFE_FILE), formatLife(life));
    } catch (error) {
      this.fail(error);
    }
  }

  unlock(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  // --- LogHome

  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.#rounds.stop();
    this.#logger.error({ error }, 'the log directory failed and is offline with all its partitions');
    for (const log of this.futures.values()) log.directoryFailed(this.failure);
    for (const log of this.logs.values()) log.directoryFailed(this.failure);
    this.#forgetLife();
    this.onFailure(this);
  }

  /** What a failed sync has lost the system does not have either, whether or not it is booted anew. */
  #forgetLife(): void {
    if (!this.#hasLife) return;
    try {
      this.#environment.disk.remove(this.pathOf(names.LIFE_FILE));
    } catch {
      // The device is gone: then there is nothing to be found by the next start.
    }
  }

  requestSync(log: Syncable): void {
    this.#rounds.request(log);
  }

  forgetSync(log: Syncable): void {
    this.#rounds.forget(log);
  }

  namesChanged(): void {
    this.#areNamesDirty = true;
  }

  syncNames(syncs: Promise<unknown>[]): void {
    if (this.#areNamesDirty) {
      this.#areNamesDirty = false;
      const sync = this.#environment.disk.syncDirectoryAsync(this.path).finally(() => {
        this.#nameSyncs.delete(sync);
      });
      this.#nameSyncs.add(sync);
    }
    syncs.push(...this.#nameSyncs);
  }

  removeInTurn(remove: () => Promise<void>): void {
    this.#removing = this.#removing
      .then(() => {
        // What is left then is found by the next start.
        if (this.failure === undefined && !this.#isReleased) return remove();
      })
      .catch((error: unknown) => this.fail(error));
  }

  lowerRecoveryPoint(log: names.TopicPartition, offset: number): void {
    const lowered = new Map([[names.partitionName(log.topic, log.partition), offset]]);
    this.#rewriteNow(names.RECOVERY_POINT_CHECKPOINT, this.#recoveryPoints(lowered));
  }

  // --- Checkpoints

  /** By folder name. A damaged file counts as missing: the logs are then looked at from their beginning. */
  readCheckpoint(name: string): Map<string, number> {
    try {
      const offsets = readOffsetCheckpoint(this.#environment.disk, this.pathOf(name));
      this.#named.set(name, new Set(offsets.keys()));
      return offsets;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      this.#logger.warn({ error, checkpoint: name }, 'a damaged checkpoint is ignored');
      return new Map();
    }
  }

  /** Writes recovery points and log starts, where they have changed. Never rejects: a failure ends the directory. */
  checkpoint(): Promise<void> {
    this.#checkpointing = this.#checkpointing.then(() => this.#checkpoint());
    return this.#checkpointing;
  }

  async #checkpoint(): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await this.#checkpointRecoveryPoints();
      if (this.failure !== undefined) return;
      const starts = this.#logStarts();
      if (!(await this.#rewriteDurably(names.LOG_START_CHECKPOINT, starts))) return;
      const durable = new Map(
        starts.map(({ topic, partition, offset }) => [names.partitionName(topic, partition), offset]),
      );
      for (const [name, log] of this.logs) {
        // A log without an entry begins at 0, or at the base of its first segment.
        const offset = durable.get(name);
        if (offset !== undefined) log.logStartIsDurable(offset);
      }
    } catch (error) {
      this.#checkpointFailed(error);
    }
  }

  async #checkpointRecoveryPoints(): Promise<void> {
    const points = this.#recoveryPoints();
    if (!(await this.#rewriteDurably(names.RECOVERY_POINT_CHECKPOINT, points))) return;
    for (const { topic, partition, offset } of points) {
      this.logs.get(names.partitionName(topic, partition))?.recoveryPointIsDurable(offset);
    }
  }

  /** False: a later one has taken its place, or the directory has failed meanwhile. */
  async #rewriteDurably(checkpoint: string, offsets: PartitionOffset[]): Promise<boolean> {
    const rewrite = await this.#rewrite(checkpoint, offsets);
    if (this.failure !== undefined || rewrite === 'superseded') return false;
    const content = this.#written.get(checkpoint);
    if (this.#durable.get(checkpoint) === content) return true;
    await this.#environment.disk.syncDirectoryAsync(this.path);
    if (this.failure !== undefined || this.#written.get(checkpoint) !== content) return false;
    this.#durable.set(checkpoint, content!);
    return true;
  }

  /** On a full disk the file stays as it is, which is older and no less true, until there is room. */
  #checkpointFailed(error: unknown): void {
    if (!isPassing(error)) this.fail(error);
    else
      this.#logger.warn(
        { error, directory: this.path },
        'a checkpoint could not be written; it is tried again',
      );
  }

  /**
   * A log that is not loaded since less was found than `offset`, up to where everything had been there. That stays written
   * down: without it the next start might take what is left for the whole.
   */
  noteDamaged({ topic, partition }: names.TopicPartition, offset: number): void {
    this.#damaged.set(names.partitionName(topic, partition), { topic, partition, offset });
  }

  #recoveryPoints(lowered: ReadonlyMap<string, number> = new Map()): PartitionOffset[] {
    const points: PartitionOffset[] = [...this.#damaged.values()];
    for (const [name, log] of this.logs) {
      const offset = Math.min(log.recoveryPoint, lowered.get(name) ?? Infinity);
      points.push({ topic: log.topic, partition: log.partition, offset });
    }
    return points;
  }

  /** Only logs that begin beyond their first segment, or whose segments are about to go. */
  #logStarts(): PartitionOffset[] {
    const starts: PartitionOffset[] = [];
    for (const log of this.logs.values()) {
      if (log.logStartOffset === 0) continue;
      starts.push({ topic: log.topic, partition: log.partition, offset: log.logStartOffset });
    }
    return starts;
  }

  /** `replication-offset-checkpoint` */
  async checkpointHighWatermarks(highWatermarks: readonly PartitionOffset[]): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await this.#rewrite(names.HIGH_WATERMARK_CHECKPOINT, highWatermarks);
    } catch (error) {
      this.#checkpointFailed(error);
    }
  }

  /** `cleaner-offset-checkpoint`. True when it is durable; false when it could not be written now. */
  checkpointCleaner(): Promise<boolean> {
    const checkpoint = this.#checkpointing.then(() => this.#checkpointCleaner());
    this.#checkpointing = checkpoint.then(() => {});
    return checkpoint;
  }

  async #checkpointCleaner(): Promise<boolean> {
    if (this.failure !== undefined) return false;
    try {
      return await this.#rewriteDurably(names.CLEANER_CHECKPOINT, this.#cleanedTo());
    } catch (error) {
      this.#checkpointFailed(error);
      return false;
    }
  }

  #cleanedTo(): PartitionOffset[] {
    const cleaned: PartitionOffset[] = [];
    for (const { topic, partition, cleanedTo } of this.logs.values()) {
      if (cleanedTo !== undefined) cleaned.push({ topic, partition, offset: cleanedTo });
    }
    return cleaned;
  }

  /** As above, at once, with a log that is about to come here: where it has gaps, they must not look like damage. */
  expectCleaned({ topic, partition, cleanedTo }: Log): void {
    if (cleanedTo === undefined) return;
    const offsets = [...this.#cleanedTo(), { topic, partition, offset: cleanedTo }];
    this.#rewriteNow(names.CLEANER_CHECKPOINT, offsets);
  }

  /**
   * A folder of this name is about to be made, or is gone: what the checkpoints say of the name does not hold for the
   * next one, and must not survive a crash.
   */
  forget(name: string): void {
    this.#damaged.delete(name);
    for (const checkpoint of FORGOTTEN) {
      if (!this.#named.get(checkpoint)?.has(name)) continue;
      const entries: PartitionOffset[] = [];
      for (const [folder, offset] of this.readCheckpoint(checkpoint)) {
        const parsed = names.parsePartitionFolder(folder);
        if (parsed === undefined || folder === name) continue;
        entries.push({ topic: parsed.topic, partition: parsed.partition, offset });
      }
      this.#rewriteNow(checkpoint, entries);
    }
  }

  /** Of several that are under way for one file the last one counts: the others wrote into its temporary file. */
  async #rewrite(name: string, offsets: readonly PartitionOffset[]): Promise<Rewrite> {
    const content = formatOffsetCheckpoint(offsets);
    // Also where the file is right as it is: an older content that is under way must not replace it.
    const generation = (this.#generations.get(name) ?? 0) + 1;
    this.#generations.set(name, generation);
    if (this.#written.get(name)?.equals(content)) return 'unchanged';
    const isCurrent = (): boolean => this.#generations.get(name) === generation && this.failure === undefined;
    await replaceFile(this.#environment.disk, this.pathOf(name), content, isCurrent);
    if (!isCurrent()) {
      this.#written.delete(name);
      return 'superseded';
    }
    this.#written.set(name, content);
    this.#named.set(name, namesIn(offsets));
    return 'written';
  }

  #rewriteNow(name: string, offsets: readonly PartitionOffset[]): void {
    this.#generations.set(name, (this.#generations.get(name) ?? 0) + 1);
    this.#written.delete(name);
    this.#named.set(name, namesIn(offsets));
    replaceFileNow(this.#environment.disk, this.pathOf(name), formatOffsetCheckpoint(offsets));
  }

  // --- Closing

  /** Makes everything durable and notes that it is. Does nothing more for a directory that failed. */
  async close(brokerEpoch: number): Promise<void> {
    if (this.failure !== undefined) {
      this.release();
      return;
    }
    try {
      for (const future of this.futures.values()) future.release();
      const clean = new Map<string, CleanLog>();
      const close = async (name: string, log: Log): Promise<void> => void clean.set(name, await log.close());
      await Promise.all(Array.from(this.logs, ([name, log]) => close(name, log)));
      await this.checkpoint();
      this.#isReleased = true;
      await this.#removing;
      if (this.failure !== undefined) return;
      const marker = formatCleanShutdown(brokerEpoch, clean);
      replaceFileNow(this.#environment.disk, this.pathOf(names.CLEAN_SHUTDOWN_FILE), marker);
    } catch (error) {
      this.fail(error);
    } finally {
      this.release();
    }
  }

  /** Lets go of everything as it is: to the next start this looks like a crash. */
  release(): void {
    this.#isReleased = true;
    this.#rounds.stop();
    for (const log of this.logs.values()) log.release();
    for (const log of this.futures.values()) log.release();
    this.unlock();
  }
}

type Rewrite = 'written' | 'unchanged' | 'superseded';

function namesIn(offsets: readonly PartitionOffset[]): Set<string> {
  return new Set(offsets.map(({ topic, partition }) => names.partitionName(topic, partition)));
}
