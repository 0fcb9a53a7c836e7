/**
 * What of a log is durable, and the making so: which files wait for a sync, what a round covers
 * (sync-rounds.ts), and how far `durableEndOffset` and the recovery point have come by it. In fsync mode each round syncs
 * what was written since the last; in relaxed mode only when a roll, flush.messages, flush.ms or somebody asks for it, and
 * the new end is told without waiting for any round.
 */
import type { DiskFile } from '../base/ports.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogHome } from './log-home.ts';
import type { Segment } from './segment.ts';
import type { LogSettings } from './settings.ts';
import { StorageError } from './storage-error.ts';
import type { Syncable, SyncNeed } from './sync-rounds.ts';

/** flush.ms as good as never. */
const FLUSH_MS_NEVER = 10 * 365 * 86_400_000;

/** The log, as its durability sees it: asked anew at each round. */
export interface DurableLog {
  readonly folder: string;
  readonly logEndOffset: number;
  readonly activeBaseOffset: number;
  readonly epochs: LeaderEpochs;
  readonly settings: LogSettings;
  onDurable(endOffset: number): void;
}

export interface DurabilityState {
  readonly home: LogHome;
  readonly recoveryPoint: number;
  readonly durableEndOffset: number;
  /** Files that the first round must make durable. */
  readonly unsynced: readonly DiskFile[];
  readonly areNamesChanged: boolean;
}

export class Durability implements Syncable {
  readonly #environment: LogEnvironment;
  readonly #log: DurableLog;
  #home: LogHome;
  #recoveryPoint: number;
  #durableRecoveryPoint = 0;
  #durableEndOffset: number;
  /** What `onDurable` was told last. */
  #told: number;
  /** Segments with bytes to be synced. */
  #segments: Segment[] = [];
  /** Files to be synced and closed: indexes, snapshots, metadata. */
  #files: DiskFile[];
  #areNamesChanged: boolean;
  /** The next round advances the recovery point to the base of the active segment. */
  #mustSeal = false;
  /** In relaxed mode there is a round only when this says so. */
  #mustSync = false;
  /** flush.messages or flush.ms: what is lost by a power cut is bounded by them. */
  #isFlushDue = false;
  #isRequested = false;
  #round: Round | undefined;
  /** Syncs that a copy whose place this log took had begun: what they cover is in the files that are ours now. */
  #inherited: readonly Promise<unknown>[] = [];
  /** Counts what makes a round that is under way worthless. */
  #cuts = 0;
  #flushes: Flush[] = [];
  #unflushedMessages = 0;
  #isFlushScheduled = false;
  #isStopped = false;

  constructor(environment: LogEnvironment, log: DurableLog, state: DurabilityState) {
    this.#environment = environment;
    this.#log = log;
    this.#home = state.home;
    this.#recoveryPoint = state.recoveryPoint;
    this.#durableEndOffset = state.durableEndOffset;
    this.#told = state.durableEndOffset;
    this.#files = [...state.unsynced];
    this.#areNamesChanged = state.areNamesChanged;
  }

  get recoveryPoint(): number {
    return this.#recoveryPoint;
  }

  /** What the directory's checkpoint holds durably: the next life knows that much, whatever ends this one. */
  get durableRecoveryPoint(): number {
    return this.#durableRecoveryPoint;
  }

  get durableEndOffset(): number {
    return this.#isFsync ? this.#durableEndOffset : this.#log.logEndOffset;
  }

  get #isFsync(): boolean {
    return this.#log.settings.durability === 'fsync';
  }

  // --- What happened to the log

  /** `messages` were appended to `segment`. */
  appended(segment: Segment, messages: number): void {
    if (!segment.isUnsynced) {
      segment.isUnsynced = true;
      this.#segments.push(segment);
    }
    if (!this.#isFsync) this.#countUnflushed(messages);
    this.#request();
  }

  /** flush.messages and flush.ms. */
  #countUnflushed(messages: number): void {
    this.#unflushedMessages += messages;
    const { flushMessages, flushMs } = this.#log.settings;
    if (this.#unflushedMessages >= flushMessages) {
      this.#isFlushDue = true;
      this.#mustSync = true;
    } else if (flushMs < FLUSH_MS_NEVER && !this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      this.#environment.timers.after(flushMs, () => {
        this.#isFlushScheduled = false;
        if (this.#isStopped || this.#home.failure !== undefined) return;
        this.#isFlushDue = true;
        this.mustSync();
      });
    }
  }

  /** These files were written: they are synced and closed by the next round. */
  addFiles(files: readonly DiskFile[]): void {
    this.#files.push(...files);
  }

  namesChanged(): void {
    this.#areNamesChanged = true;
  }

  /** The active segment is a new one: everything before it is to become durable, and the recovery point its base. */
  rolled(): void {
    this.#areNamesChanged = true;
    this.#mustSeal = true;
    this.mustSync();
  }

  mustSync(): void {
    this.#mustSync = true;
    this.#request();
  }

  /** Before the log is cut at `offset`: from here on nothing above it counts as durable, whatever a round says. */
  cutting(offset: number, log: { readonly topic: string; readonly partition: number }): void {
    this.#cuts += 1;
    if (offset >= this.#recoveryPoint) return;
    this.#home.lowerRecoveryPoint(log, offset);
    this.#recoveryPoint = offset;
    this.#durableRecoveryPoint = Math.min(this.#durableRecoveryPoint, offset);
  }

  /** The directory's checkpoint holds this recovery point durably, unless the log was cut meanwhile. */
  recoveryPointIsDurable(offset: number): void {
    this.#durableRecoveryPoint = Math.min(offset, this.#recoveryPoint);
  }

  /** The log was cut and ends at `endOffset`, in `active`; `removed` segments are gone. */
  cut(endOffset: number, active: Segment, removed: readonly Segment[]): void {
    this.#durableEndOffset = Math.min(this.#durableEndOffset, endOffset);
    for (const segment of removed) segment.isUnsynced = false;
    this.#segments = this.#segments.filter((segment) => segment.isUnsynced);
    if (!active.isUnsynced) {
      active.isUnsynced = true;
      this.#segments.push(active);
    }
    this.mustSync();
  }

  // --- Rounds

  #request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    this.#home.requestSync(this);
  }

  /** Syncable */
  takeTurn(): SyncNeed {
    this.#isRequested = false;
    if (!this.#isFsync && !this.#isStopped) this.#tell();
    return this.syncNeed;
  }

  /** Syncable */
  get syncNeed(): SyncNeed {
    if (this.#isStopped || this.#round !== undefined) return 'none';
    if (this.#isFsync || this.#flushes.length > 0 || this.#isFlushDue) return 'urgent';
    return this.#mustSync ? 'patient' : 'none';
  }

  /** Syncable */
  beginSync(syncs: Promise<unknown>[]): Round {
    const round: Round = {
      endOffset: this.#log.logEndOffset,
      cuts: this.#cuts,
      sealTo: undefined,
      areNamesChanged: this.#areNamesChanged,
      files: this.#files,
      epochsFile: undefined,
      flushes: this.#flushes,
      syncs,
    };
    this.#round = round;
    this.#flushes = [];
    this.#isFlushDue = false;
    this.#mustSync = false;
    this.#unflushedMessages = 0;
    this.#areNamesChanged = false;
    this.#files = [];
    syncs.push(...this.#inherited);
    this.#inherited = [];
    for (const segment of this.#segments) {
      segment.isUnsynced = false;
      syncs.push(segment.file().sync());
    }
    this.#segments = [];
    if (this.#mustSeal) this.#beginSeal(round);
    for (const file of round.files) syncs.push(file.sync());
    return round;
  }

  #beginSeal(round: Round): void {
    this.#mustSeal = false;
    round.sealTo = this.#log.activeBaseOffset;
    const { epochs, folder } = this.#log;
    if (!epochs.isDirty) return;
    const file = this.#environment.disk.open(`${folder}/${names.LEADER_EPOCH_CHECKPOINT}.tmp`, 'create');
    round.files.push(file);
    round.epochsFile = file;
    file.truncate(0);
    file.write(0, [epochs.content()]);
    epochs.markDurable();
  }

  /** Syncable */
  syncNames(begun: unknown, syncs: Promise<unknown>[]): void {
    const round = begun as Round;
    for (const file of round.files) file.close();
    if (round !== this.#round) return;
    const { disk } = this.#environment;
    const { folder } = this.#log;
    if (round.epochsFile !== undefined) {
      const path = `${folder}/${names.LEADER_EPOCH_CHECKPOINT}`;
      disk.rename(`${path}.tmp`, path);
      round.areNamesChanged = true;
    }
    if (!round.areNamesChanged) return;
    syncs.push(disk.syncDirectoryAsync(folder));
    this.#home.syncNames(syncs);
  }

  /** Syncable */
  finishSync(begun: unknown): void {
    const round = begun as Round;
    if (round !== this.#round) return;
    this.#round = undefined;
    if (round.cuts !== this.#cuts) {
      // What was cut off meanwhile was covered, what was written in its place was not.
      if (round.sealTo !== undefined) this.#mustSeal = true;
      this.#flushes.push(...round.flushes);
      this.mustSync();
      return;
    }
    if (round.sealTo !== undefined) this.#recoveryPoint = Math.max(this.#recoveryPoint, round.sealTo);
    this.#durableEndOffset = Math.max(this.#durableEndOffset, round.endOffset);
    for (const flush of round.flushes) flush.resolve();
    this.#tell();
    if (this.#isAnotherDue) this.#request();
  }

  /** Asked for while a round was outstanding. */
  get #isAnotherDue(): boolean {
    return this.#mustSync || this.#flushes.length > 0 || (this.#isFsync && this.#segments.length > 0);
  }

  #tell(): void {
    const durable = this.durableEndOffset;
    if (durable === this.#told) return;
    this.#told = durable;
    this.#log.onDurable(durable);
  }

  /** Resolves when everything appended so far is durable; rejects with StorageError when it never will be. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushes.push({ resolve, reject });
      this.mustSync();
    });
  }

  /**
   * For a clean shutdown: batches and names become durable, and all that belongs to closed segments. What is more, the
   * record of the shutdown vouches for.
   */
  async close(): Promise<void> {
    if (this.#files.length > 0) this.#areNamesChanged = true;
    if (this.#hasUnsynced()) await this.flush();
    this.#recoveryPoint = this.#log.logEndOffset;
  }

  #hasUnsynced(): boolean {
    return (
      this.#segments.length > 0 ||
      this.#files.length > 0 ||
      this.#areNamesChanged ||
      this.#round !== undefined ||
      this.#mustSeal ||
      this.#durableEndOffset < this.#log.logEndOffset
    );
  }

  /** Nothing more becomes durable; whoever waits for it is told so. */
  stop(reason: string, cause?: Error): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const waiting = [...(this.#round?.flushes ?? []), ...this.#flushes];
    this.#flushes = [];
    this.#round = undefined;
    this.#segments = [];
    for (const file of this.#files) file.close();
    this.#files = [];
    const error = new StorageError(reason, cause === undefined ? {} : { cause });
    for (const flush of waiting) flush.reject(error);
  }

  /** The log goes on with the files of another one, in that one's directory. `copy` ends here. */
  takeOver(copy: Durability): void {
    for (const file of this.#files) file.close();
    // What the old directory's round may bring concerns files that are not ours any more.
    if (this.#round !== undefined) this.#flushes.push(...this.#round.flushes);
    this.#round = undefined;
    this.#home.forgetSync(this);
    this.#home = copy.#home;
    this.#recoveryPoint = copy.#recoveryPoint;
    this.#durableRecoveryPoint = copy.#durableRecoveryPoint;
    this.#durableEndOffset = copy.#durableEndOffset;
    this.#segments = copy.#segments;
    this.#files = copy.#files;
    copy.#segments = [];
    copy.#files = [];
    // A round of the copy may be under way; what it would have settled is settled by ours, which waits for it.
    this.#inherited = copy.#round?.syncs ?? [];
    copy.stop('the copy has taken the place of its original');
    this.#log.epochs.isDirty = true;
    this.#isRequested = false;
    this.rolled();
  }
}

interface Flush {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Round {
  readonly endOffset: number;
  readonly cuts: number;
  /** The recovery point that the round brings. */
  sealTo: number | undefined;
  areNamesChanged: boolean;
  readonly files: DiskFile[];
  epochsFile: DiskFile | undefined;
  readonly flushes: readonly Flush[];
  /** Of its files. */
  readonly syncs: readonly Promise<unknown>[];
}
