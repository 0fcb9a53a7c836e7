/**
 * One partition as this broker holds it: who leads it, how far it is committed, and who waits for that. The log below it
 * knows records; the partition knows leadership, epochs and the high watermark. Answers are error codes, not exceptions.
 *
 * The high watermark is the smallest end offset of the in-sync replicas (leadership.ts), and of a replica's log only that
 * part counts which its disk has made durable (all of it where the topic is `relaxed`). A follower learns it from the
 * leader, and a new leader begins with what it knew as follower.
 */
import { refusal } from '../log/append-result.ts';
import {
  StorageError,
  type AppendResult,
  type BegunVerification,
  type Log,
  type LogRead,
  type Verification,
  type VerifiedProducer,
} from '../log/log.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { FollowerFetch, FollowerProgress } from './follower-progress.ts';
import { LeadershipProofs, type ProofOutcome } from './leadership-proof.ts';
import { Leadership } from './leadership.ts';
import type { PartitionState } from './partition-state.ts';
import { OffsetWaiters, type WaitOutcome } from './waiters.ts';

export type { PartitionState } from './partition-state.ts';

export type Isolation = 'uncommitted' | 'committed' | 'log end';

export interface PartitionAppend {
  /** 0, 1 or -1. */
  readonly acks: number;
  readonly origin: 'client' | 'coordinator' | 'marker';
  /** Of the Produce request, for what its version may contain. */
  readonly produceVersion?: number;
  readonly nowMs: number;
  /** 2: KIP-890 part 2. */
  readonly transactionVersion?: number;
  /** From `beginVerification`, of a transactional batch that is to be checked against it. */
  readonly verification?: Verification | undefined;
}

interface LowWatermarkWaiter {
  readonly offset: number;
  readonly isAlive: (nodeId: number) => boolean;
  readonly callback: (outcome: WaitOutcome) => void;
}

/** What a waiting fetch is told; it looks for itself what changed. */
export interface PartitionWatcher {
  wake(): void;
}

export class Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly nodeId: number;
  /** Undefined while the partition's log directory is offline. */
  log: Log | undefined;
  state: PartitionState;
  /** While this broker leads, and has the log. */
  leadership: Leadership | undefined;
  /** {leader,follower}.replication.throttled.replicas name this replica. */
  isThrottledAsLeader = false;
  isThrottledAsFollower = false;
  /** Called when a follower has fetched. */
  onFollowerProgress: (partition: Partition, follower: FollowerProgress) => void = () => {};
  /** The log end when this broker became leader: consumers are told nothing before the watermark has passed it. */
  leaderEpochStartOffset = 0;
  readonly #monotonicMs: () => number;
  #minInsyncReplicas: number;
  /** What those who still ask are told once it is no longer here. */
  #gone: ErrorCode | undefined;
  #highWatermark = 0;
  readonly #committed = new OffsetWaiters();
  readonly #watchers = new Set<PartitionWatcher>();
  /** Those who also want to know of what is not committed yet: followers. */
  readonly #endWatchers = new Set<PartitionWatcher>();
  readonly #lowWatermarkWaiters = new Set<LowWatermarkWaiter>();
  readonly #proofs = new LeadershipProofs();
  readonly #watermarkListeners = new Set<(highWatermark: number) => void>();

  constructor(options: {
    readonly topic: string;
    readonly topicId: string;
    readonly partition: number;
    readonly nodeId: number;
    readonly log: Log | undefined;
    readonly state: PartitionState;
    readonly monotonicMs: () => number;
    /** The topic's min.insync.replicas. */
    readonly minInsyncReplicas: number;
    /** As checkpointed; the log's start where there is none. */
    readonly highWatermark?: number;
  }) {
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.nodeId = options.nodeId;
    this.#monotonicMs = options.monotonicMs;
    this.#minInsyncReplicas = options.minInsyncReplicas;
    this.state = { ...options.state, leader: -1 };
    this.log = options.log;
    const { log } = this;
    if (log !== undefined) {
      const checkpointed = options.highWatermark ?? log.logStartOffset;
      this.#highWatermark = Math.min(Math.max(checkpointed, log.logStartOffset), log.logEndOffset);
      log.updateHighWatermark(this.#highWatermark);
      log.onDurable = () => this.#advance();
    }
    this.apply(options.state);
  }

  get leaderId(): number {
    return this.state.leader;
  }
  get leaderEpoch(): number {
    return this.state.leaderEpoch;
  }
  get isLeader(): boolean {
    return this.state.leader === this.nodeId && this.#gone === undefined;
  }
  /** Whether records come from `leaderEpoch`'s leader, another broker. */
  isFollowing(leaderEpoch: number): boolean {
    const { leader, leaderEpoch: epoch } = this.state;
    const follows = leader >= 0 && leader !== this.nodeId && epoch === leaderEpoch;
    return follows && this.#gone === undefined && this.log !== undefined;
  }
  get isDeleted(): boolean {
    return this.#gone !== undefined;
  }
  get highWatermark(): number {
    return this.#highWatermark;
  }
  get logStartOffset(): number {
    return this.log?.logStartOffset ?? -1;
  }
  get logEndOffset(): number {
    return this.log?.logEndOffset ?? -1;
  }
  /** Everything before it is decided: no open transaction began there (KIP-98). */
  get lastStableOffset(): number {
    const unstable = this.log?.firstUnstableOffset;
    return unstable === undefined ? this.#highWatermark : Math.min(unstable, this.#highWatermark);
  }
  /** The log's end, while only this broker's own disk keeps the watermark from it; undefined when nothing does, or others do. */
  get unsyncedEnd(): number | undefined {
    const { log, leadership } = this;
    if (log === undefined || leadership?.followersEnd !== Infinity) return undefined;
    if (this.state.isr.length < this.#minInsync()) return undefined;
    return this.#highWatermark < log.logEndOffset ? log.logEndOffset : undefined;
  }
  /** False from an election until the watermark has reached the epoch's start: until then it may be too low (KIP-207). */
  get isHighWatermarkKnown(): boolean {
    return this.#highWatermark >= this.leaderEpochStartOffset;
  }

  /** The topic's, however many replicas there are. */
  get minInsyncReplicas(): number {
    return this.#minInsyncReplicas;
  }
  set minInsyncReplicas(count: number) {
    this.#minInsyncReplicas = count;
    this.#advance();
  }

  /** Takes over a decision of the controller; an older one is ignored. */
  apply(state: PartitionState): void {
    const before = this.state;
    if (state.leaderEpoch < before.leaderEpoch || state.partitionEpoch < before.partitionEpoch) return;
    this.state = state;
    const led = before.leader === this.nodeId;
    const leads = state.leader === this.nodeId;
    const isNewEpoch = state.leaderEpoch !== before.leaderEpoch || !led;
    if (!leads) this.leadership = undefined;
    else if (!isNewEpoch) this.leadership?.apply(state, this.#monotonicMs());
    else if (this.log !== undefined) this.#lead(this.log);
    if (led && (!leads || isNewEpoch)) this.#loseWaiters();
    this.#advance();
    this.#wake();
  }

  #lead(log: Log): void {
    const startOffset = log.logEndOffset;
    const { state, nodeId } = this;
    this.leaderEpochStartOffset = startOffset;
    log.assignEpochStart(state.leaderEpoch, startOffset);
    this.leadership = new Leadership(state, { nodeId, startOffset, nowMs: this.#monotonicMs() });
  }

  #loseWaiters(): void {
    this.#committed.lose();
    this.#proofs.lose();
  }

  /** The topic is gone, or this replica of it: whoever waits is told. */
  delete(errorCode: ErrorCode = Errors.UNKNOWN_TOPIC_OR_PARTITION): void {
    this.#gone = errorCode;
    this.leadership = undefined;
    this.#loseWaiters();
    this.#wake();
  }

  /** The log's directory failed: nothing here can be read or written until a restart. */
  fail(): void {
    this.log = undefined;
    this.leadership = undefined;
    this.#loseWaiters();
    this.#wake();
  }

  /** The log has gone over to another directory: the same records, in the order of the same offsets. */
  moveTo(log: Log): void {
    if (this.log !== undefined) this.log.onDurable = () => {};
    this.log = log;
    log.updateHighWatermark(this.#highWatermark);
    log.onDurable = () => this.#advance();
    this.#advance();
    this.#wake();
  }

  /** NONE when this broker leads the partition, at the epoch that the client expects (-1: any; KIP-320). */
  check(
    currentLeaderEpoch: number,
    options: { readonly leaderOnly: boolean } = { leaderOnly: true },
  ): ErrorCode {
    if (this.#gone !== undefined) return this.#gone;
    if (currentLeaderEpoch >= 0) {
      if (currentLeaderEpoch < this.state.leaderEpoch) return Errors.FENCED_LEADER_EPOCH;
      if (currentLeaderEpoch > this.state.leaderEpoch) return Errors.UNKNOWN_LEADER_EPOCH;
    }
    if (options.leaderOnly && !this.isLeader) return Errors.NOT_LEADER_OR_FOLLOWER;
    if (this.log === undefined) return Errors.KAFKA_STORAGE_ERROR;
    return Errors.NONE;
  }

  /** The offset that consumers of this isolation cannot read yet. */
  endOffset(isolation: Isolation): number {
    if (isolation === 'committed') return this.lastStableOffset;
    return isolation === 'log end' ? this.logEndOffset : this.#highWatermark;
  }

  /** Appends as the leader. The batches are patched in place, and the log may keep a copy, never the buffer. */
  append(records: Buffer, options: PartitionAppend): AppendResult {
    const errorCode = this.check(-1);
    if (errorCode !== Errors.NONE) return this.#refusal(errorCode);
    if (options.acks === -1 && this.state.isr.length < this.#minInsync()) {
      return this.#refusal(Errors.NOT_ENOUGH_REPLICAS);
    }
    const result = this.log!.appendAsLeader(records, {
      leaderEpoch: this.state.leaderEpoch,
      origin: options.origin,
      nowMs: options.nowMs,
      ...(options.produceVersion === undefined ? undefined : { produceVersion: options.produceVersion }),
      ...(options.transactionVersion === undefined
        ? undefined
        : { transactionVersion: options.transactionVersion }),
      verification: options.verification,
    });
    this.#advance();
    if (this.#endWatchers.size > 0) wakeAll(this.#endWatchers);
    return result;
  }

  /**
   * To be called before the coordinator is asked whether the producer's transaction goes on; what it returns belongs into
   * the append. 'ongoing': nobody needs to be asked.
   */
  beginVerification(producer: VerifiedProducer, nowMs: number): BegunVerification {
    const errorCode = this.check(-1);
    if (errorCode !== Errors.NONE) return { errorCode, verification: undefined };
    try {
      return this.log!.beginVerification(producer, nowMs);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return { errorCode: Errors.KAFKA_STORAGE_ERROR, verification: undefined };
    }
  }

  /**
   * Calls back once when everything before `offset` is committed (at once if it is), or when this broker can no longer
   * tell. Returns a way to forget about it.
   */
  whenCommitted(offset: number, callback: (outcome: WaitOutcome) => void): () => void {
    if (this.#highWatermark >= offset) {
      callback('committed');
      return () => {};
    }
    if (!this.isLeader || this.log === undefined) {
      callback('lost');
      return () => {};
    }
    return this.#committed.add(offset, callback);
  }

  /**
   * Calls back once when it is certain that nobody else led this partition at the time of the call, by the word of the in-sync
   * replicas and of `eligible` (KIP-966), or with 'lost'. Returns a way to forget about it.
   */
  whenProven(eligible: readonly number[], callback: (outcome: ProofOutcome) => void): () => void {
    const { leadership, nodeId } = this;
    if (leadership === undefined) {
      callback('lost');
      return () => {};
    }
    const candidates = new Set(eligible);
    for (const follower of leadership.followers()) {
      if (leadership.isMaximal(follower.nodeId)) candidates.add(follower.nodeId);
    }
    candidates.delete(nodeId);
    return this.#proofs.begin(leadership, candidates, callback);
  }

  /** After a produce with acks=all is committed: were there replicas enough? */
  checkCommitted(): ErrorCode {
    const errorCode = this.check(-1);
    if (errorCode !== Errors.NONE) return errorCode;
    return this.state.isr.length < this.#minInsync() ? Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND : Errors.NONE;
  }

  /** Calls back at each advance, until the returned function is called. */
  onHighWatermark(listener: (highWatermark: number) => void): () => void {
    this.#watermarkListeners.add(listener);
    return () => this.#watermarkListeners.delete(listener);
  }

  /** Wakes at everything a fetch may wait for: new committed data, another leader or epoch, deletion, a new start. */
  watch(watcher: PartitionWatcher, isolation: Isolation): void {
    this.#watchers.add(watcher);
    if (isolation === 'log end') this.#endWatchers.add(watcher);
  }
  unwatch(watcher: PartitionWatcher): void {
    this.#watchers.delete(watcher);
    this.#endWatchers.delete(watcher);
  }
  watcherCount(): number {
    return this.#watchers.size;
  }

  /** Whole batches from the one with `offset` on. The caller has checked the offset against start and end. */
  read(options: {
    readonly offset: number;
    readonly maxBytes: number;
    readonly isolation: Isolation;
    readonly minOneMessage: boolean;
  }): LogRead | Promise<LogRead> {
    const { offset, maxBytes, minOneMessage } = options;
    return this.log!.read({ offset, maxBytes, minOneMessage, upTo: this.endOffset(options.isolation) });
  }

  /** Moves the log's start to `offset` (-1: the high watermark). The answer is the low watermark (KIP-107). */
  deleteRecords(offset: number): { readonly errorCode: ErrorCode; readonly lowWatermark: number } {
    const errorCode = this.check(-1);
    if (errorCode !== Errors.NONE) return { errorCode, lowWatermark: -1 };
    const log = this.log!;
    if (!log.settings.cleanupPolicy.delete) return { errorCode: Errors.POLICY_VIOLATION, lowWatermark: -1 };
    const before = offset === -1 ? this.#highWatermark : offset;
    if (before < 0 || before > this.#highWatermark) {
      return { errorCode: Errors.OFFSET_OUT_OF_RANGE, lowWatermark: -1 };
    }
    if (before > log.logStartOffset) {
      log.deleteRecordsBefore(before);
      this.#wake();
    }
    return { errorCode: Errors.NONE, lowWatermark: log.logStartOffset };
  }

  /**
   * Calls back once when the low watermark has reached `offset` (at once if it has), or with 'lost' when this broker can no
   * longer tell. `isAlive` says which replicas count. Returns a way to forget about it.
   */
  whenLowWatermark(
    offset: number,
    isAlive: (nodeId: number) => boolean,
    callback: (outcome: WaitOutcome) => void,
  ): () => void {
    const waiter = { offset, isAlive, callback };
    this.#lowWatermarkWaiters.add(waiter);
    this.#checkLowWatermark();
    return () => void this.#lowWatermarkWaiters.delete(waiter);
  }

  /** The first offset that some replica still has: of this one, and of all others that are alive (KIP-107). */
  lowWatermark(isAlive: (nodeId: number) => boolean): number {
    let lowest = this.logStartOffset;
    for (const { nodeId, logStartOffset } of this.leadership?.followers() ?? []) {
      if (logStartOffset < lowest && isAlive(nodeId)) lowest = logStartOffset;
    }
    return lowest;
  }

  #checkLowWatermark(): void {
    for (const waiter of this.#lowWatermarkWaiters) {
      const { offset, isAlive, callback } = waiter;
      const outcome = this.check(-1) === Errors.NONE ? 'committed' : 'lost';
      if (outcome === 'committed' && this.lowWatermark(isAlive) < offset) continue;
      this.#lowWatermarkWaiters.delete(waiter);
      callback(outcome);
    }
  }

  // --- Towards followers

  /** A follower has everything before `offset`. An error code when it is not for it to say so. */
  noteFetch(fetch: FollowerFetch): ErrorCode {
    const { leadership, log } = this;
    if (leadership === undefined || log === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
    if (leadership.follower(fetch.nodeId) === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
    const follower = leadership.noteFetch(fetch, log.logEndOffset);
    if (follower === undefined) return Errors.STALE_BROKER_EPOCH;
    this.#advance();
    if (this.#lowWatermarkWaiters.size > 0) this.#checkLowWatermark();
    this.onFollowerProgress(this, follower);
    this.#proofs.fetched(leadership);
    return Errors.NONE;
  }

  /** The maximal in-sync set may have become smaller. */
  inSyncChanged(): void {
    this.#advance();
  }

  // --- As a follower. The caller has checked that the records, or the offsets, are of the leader of this epoch.

  /** Appends what the leader has. */
  appendAsFollower(records: Buffer, nowMs: number): AppendResult {
    const result = this.log!.appendAsFollower(records, nowMs);
    if (result.errorCode === Errors.NONE && this.#endWatchers.size > 0) wakeAll(this.#endWatchers);
    return result;
  }

  /** What the leader says is committed and is here; what it has deleted is deleted here. */
  learn(leader: { readonly highWatermark: number; readonly logStartOffset: number }): void {
    const log = this.log!;
    const highWatermark = Math.min(leader.highWatermark, log.logEndOffset);
    if (highWatermark > this.#highWatermark) this.#raise(log, highWatermark);
    const startOffset = Math.min(leader.logStartOffset, this.#highWatermark);
    if (startOffset > log.logStartOffset) log.deleteRecordsBefore(startOffset);
  }

  /** Cuts the log back to what it has in common with the leader's. Throws StorageError. */
  truncateTo(offset: number): void {
    this.log!.truncateTo(offset);
    this.#keepWatermarkWithinLog();
  }

  /** The leader's log begins after the end of this one. Throws StorageError. */
  truncateFullyAndStartAt(offset: number): void {
    this.log!.truncateFullyAndStartAt(offset);
    this.#keepWatermarkWithinLog();
  }

  /** Only an unclean election, or the loss of a disk, takes away what was committed. */
  #keepWatermarkWithinLog(): void {
    const log = this.log!;
    this.#highWatermark = Math.min(Math.max(this.#highWatermark, log.logStartOffset), log.logEndOffset);
    log.updateHighWatermark(this.#highWatermark);
    this.#wake();
  }

  #minInsync(): number {
    return Math.min(this.#minInsyncReplicas, this.state.replicas.length);
  }

  /** The watermark never goes back while this broker leads. */
  #advance(): void {
    const { log, leadership } = this;
    if (log === undefined || leadership === undefined) return;
    const committed = Math.min(log.durableEndOffset, leadership.followersEnd);
    if (committed <= this.#highWatermark || this.state.isr.length < this.#minInsync()) return;
    this.#raise(log, committed);
  }

  #raise(log: Log, highWatermark: number): void {
    this.#highWatermark = highWatermark;
    log.updateHighWatermark(highWatermark);
    this.#committed.reach(highWatermark);
    for (const listener of this.#watermarkListeners) listener(highWatermark);
    this.#wake();
  }

  #wake(): void {
    wakeAll(this.#watchers);
    if (this.#lowWatermarkWaiters.size > 0) this.#checkLowWatermark();
  }

  #refusal(errorCode: ErrorCode): AppendResult {
    const { errorMessage: _, ...refused } = refusal({ errorCode, errorMessage: '', logStartOffset: -1 });
    return refused;
  }
}

function wakeAll(watchers: ReadonlySet<PartitionWatcher>): void {
  for (const watcher of watchers) watcher.wake();
}
