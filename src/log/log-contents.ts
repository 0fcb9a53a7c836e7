/**
 * What a log consists of, shared by those who work on it: appending and rolling (log-writer.ts), reading (log-reader.ts),
 * making durable (durability.ts), shrinking (log-shrinker.ts). Each field has one meaning for all of them, and only the
 * synchronous steps of the writer, the shrinker and a take-over change them.
 */
import type { DurableLog } from './durability.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogHome } from './log-home.ts';
import type { ReadableLog } from './log-reader.ts';
import type { LogState } from './log-state.ts';
import type { ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import type { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';
import { isPassing, messageOf, StorageError } from './storage-error.ts';
import { Verifications } from './verification.ts';

export class LogContents implements DurableLog, ReadableLog {
  readonly topic: string;
  readonly partition: number;
  home: LogHome;
  folder: string;
  settings: LogSettings;
  segments: Segments;
  epochs: LeaderEpochs;
  snapshots: ProducerSnapshots;
  /** Undefined until somebody wants it. */
  producers: ProducerState | undefined;
  readonly verifications = new Verifications();
  logStartOffset: number;
  /** What the directory's checkpoint holds durably: segments are removed only below it. */
  durableStartOffset: number;
  logEndOffset: number;
  /** Where the last cleaning ended (cleaner/); undefined: there was none. */
  cleanedTo: number | undefined;
  isClosed = false;
  onDurable: (endOffset: number) => void = () => {};

  constructor(home: LogHome, state: LogState) {
    this.home = home;
    this.topic = state.topic;
    this.partition = state.partition;
    this.folder = state.folder;
    this.settings = state.settings;
    this.segments = state.segments;
    this.epochs = state.epochs;
    this.snapshots = state.snapshots;
    this.producers = state.producers;
    this.logStartOffset = state.logStartOffset;
    this.durableStartOffset = state.isNew ? 0 : state.logStartOffset;
    this.logEndOffset = state.logEndOffset;
    this.cleanedTo = state.cleanedTo;
  }

  get activeBaseOffset(): number {
    return this.segments.active.baseOffset;
  }

  /** Or it was, before its cleanup.policy changed. */
  get isCompacted(): boolean {
    return this.settings.cleanupPolicy.compact || this.cleanedTo !== undefined;
  }

  /** -1 before the first. */
  get latestEpoch(): number {
    return this.epochs.latestEpoch ?? -1;
  }

  /** Loaded from the snapshots and the batches after them. Throws what the disk throws. */
  producerState(): ProducerState {
    if (this.producers === undefined) {
      const state = new ProducerState();
      this.snapshots.load(state, this.segments, this.logEndOffset);
      this.producers = state;
    }
    return this.producers;
  }

  /** The files of `copy` from now on. */
  takeOver(copy: LogContents): void {
    this.home = copy.home;
    this.folder = copy.folder;
    this.segments = copy.segments;
    this.epochs = copy.epochs;
    this.snapshots = copy.snapshots;
    this.producers = copy.producers;
    this.logStartOffset = copy.logStartOffset;
    this.durableStartOffset = copy.durableStartOffset;
  }

  /** Why nothing can be read or written. */
  unusable(): string | undefined {
    const { failure } = this.home;
    if (failure !== undefined) return `The log directory is offline: ${failure.message}`;
    return this.isClosed ? 'The log is closed' : undefined;
  }

  mustBeUsable(): void {
    const reason = this.unusable();
    if (reason !== undefined) throw new StorageError(`${this.folder}: ${reason}`);
  }

  /** Runs what touches the disk: a failure becomes a StorageError, and the end of the directory unless it may pass. */
  guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof StorageError) throw error;
      if (!isPassing(error)) this.home.fail(error);
      throw new StorageError(`${this.folder}: ${messageOf(error)}`, { cause: error });
    }
  }
}
