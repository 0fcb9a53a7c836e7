/**
 * Fetching from one leader: one request after the other, each for all partitions that are followed there. What is appended
 * is durable before the next request asks for more, since what a follower asks from is what the leader takes it to have on
 * disk; all partitions share the rounds that make them so.
 *
 * A turn costs what has changed since the last one: of the partitions that are followed, most are idle most of the time.
 * A partition that something is wrong with waits by itself; when the leader cannot be reached all of them do.
 */
import type { Clock, Logger, Timer, Timers } from '../base/ports.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import { takeAnswer } from './follower-answer.ts';
import { FollowerSession, type WantedPartition } from './follower-session.ts';
import type { Partition } from './partition.ts';
import type { ReplicationTraffic } from './replication-traffic.ts';

export interface FetcherSettings {
  /** replica.fetch.max.bytes: of a partition. */
  readonly fetchMaxBytes: number;
  readonly fetchMinBytes: number;
  readonly fetchResponseMaxBytes: number;
  readonly fetchWaitMaxMs: number;
  /** The longest wait after something went wrong; it begins with less. */
  readonly fetchBackoffMs: number;
  readonly socketTimeoutMs: number;
}

export interface FetcherOptions {
  readonly nodeId: number;
  readonly peers: Peers;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  readonly settings: () => FetcherSettings;
  readonly traffic: ReplicationTraffic;
  /** Of this broker's registration, as the cluster knows it; -1: none. */
  readonly brokerEpoch: () => number;
}

interface Followed {
  readonly partition: Partition;
  leaderEpoch: number;
  /** Monotonic. */
  notBeforeMs: number;
  backoffMs: number;
}

const BACKOFF_MS_MIN = 20;
/** While throttled replicas wait for others: the limit may change meanwhile. */
const THROTTLED_MS_MIN = 20;
const THROTTLED_MS_MAX = 500;
/** Errors of a whole answer after which another session is begun at once. */
const SESSION_ERRORS: ReadonlySet<number> = new Set([
  Errors.FETCH_SESSION_ID_NOT_FOUND,
  Errors.INVALID_FETCH_SESSION_EPOCH,
  Errors.FETCH_SESSION_TOPIC_ID_ERROR,
]);

export class LeaderFetches {
  readonly #leaderId: number;
  /** The connection that this row has for itself. */
  readonly #lane: string;
  readonly #options: FetcherOptions;
  readonly #session = new FollowerSession();
  readonly #followed = new Map<Partition, Followed>();
  readonly #byKey = new Map<string, Followed>();
  /** What the session may not have as it is now: new, answered, or waited long enough. */
  #changed = new Set<Followed>();
  readonly #delayed = new Set<Followed>();
  #isRunning = false;
  #isStopped = false;
  /** Of the whole leader. */
  #backoffMs = 0;
  #wake: (() => void) | undefined;

  /** `row`: of several rows to the same leader (num.replica.fetchers), from 0. */
  constructor(
    { leaderId, row }: { readonly leaderId: number; readonly row: number },
    options: FetcherOptions,
  ) {
    this.#leaderId = leaderId;
    this.#lane = `replica-fetch-${row}`;
    this.#options = options;
  }

  get count(): number {
    return this.#followed.size;
  }

  /** Also when the epoch, or anything else that the cluster says of the partition, has changed. */
  follow(partition: Partition): void {
    const known = this.#followed.get(partition);
    if (known?.leaderEpoch === partition.leaderEpoch) return;
    const { leaderEpoch } = partition;
    if (known !== undefined) this.#leave(known);
    const followed = { partition, leaderEpoch, notBeforeMs: 0, backoffMs: 0 };
    this.#followed.set(partition, followed);
    this.#byKey.set(keyOf(partition.topicId, partition.partition), followed);
    this.#changed.add(followed);
    this.#wake?.();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  forget(partition: Partition): void {
    const followed = this.#followed.get(partition);
    if (followed === undefined) return;
    this.#leave(followed);
    this.#followed.delete(partition);
    this.#byKey.delete(keyOf(partition.topicId, partition.partition));
    this.#session.forget(partition);
  }

  #leave(followed: Followed): void {
    this.#changed.delete(followed);
    this.#delayed.delete(followed);
  }

  stop(): void {
    this.#isStopped = true;
    this.#followed.clear();
    this.#byKey.clear();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && this.#followed.size > 0) {
      try {
        await this.#turn();
      } catch (error) {
        // A fault of ours, or an answer that is none: others may still come through.
        const { logger } = this.#options.ports;
        logger.error({ error, leaderId: this.#leaderId }, 'fetching from a leader failed');
        this.#session.fail();
        // What the turn was through with is not known.
        for (const followed of this.#followed.values()) {
          if (!this.#delayed.has(followed)) this.#changed.add(followed);
        }
        await this.#sleep(this.#raiseBackoff());
      }
    }
    this.#isRunning = false;
    // Whoever is followed next begins anew.
    this.#session.fail();
  }

  async #turn(): Promise<void> {
    this.#endDelays();
    if (this.#changed.size > 0) {
      const changed = this.#changed;
      this.#changed = new Set();
      const durable = this.#makeDurable(changed);
      if (durable !== undefined) await durable;
      this.#tellSession(changed);
    }
    if (this.#session.isEmpty) return this.#changed.size > 0 ? undefined : this.#sleepUntilDue();
    const response = await this.#ask();
    if (response === undefined) return this.#sleep(this.#raiseBackoff());
    if (response.errorCode !== Errors.NONE) return this.#refused(response.errorCode);
    this.#backoffMs = 0;
    this.#session.answered(response);
  }

  #endDelays(): void {
    if (this.#delayed.size === 0) return;
    const nowMs = this.#options.ports.clock.monotonicMs();
    for (const followed of this.#delayed) {
      if (followed.notBeforeMs > nowMs) continue;
      this.#delayed.delete(followed);
      this.#changed.add(followed);
    }
  }

  #tellSession(changed: Iterable<Followed>): void {
    const { traffic } = this.#options;
    const { fetchMaxBytes } = this.#options.settings();
    for (const followed of changed) {
      const { partition } = followed;
      // While the disk was at work another epoch may have begun, which has an entry of its own.
      if (this.#followed.get(partition) !== followed || this.#delayed.has(followed)) continue;
      if (traffic.mustWait(partition)) {
        this.#hold(followed, Math.min(Math.max(traffic.waitMs(), THROTTLED_MS_MIN), THROTTLED_MS_MAX));
        continue;
      }
      const one = this.#wanted(followed, fetchMaxBytes);
      if (one === undefined) this.#delay(followed);
      else this.#session.want(one);
    }
  }

  /** Undefined: it cannot be asked for yet. */
  #wanted({ partition, leaderEpoch }: Followed, maxBytes: number): WantedPartition | undefined {
    const { log, highWatermark } = partition;
    const isHere = log !== undefined && partition.isFollowing(leaderEpoch);
    if (!isHere || log.durableEndOffset < log.logEndOffset) return undefined;
    return {
      topicId: partition.topicId,
      partition: partition.partition,
      leaderEpoch,
      fetchOffset: log.logEndOffset,
      lastFetchedEpoch: log.latestEpoch,
      logStartOffset: log.logStartOffset,
      highWatermark,
      maxBytes,
    };
  }

  /** Undefined: it is. */
  #makeDurable(changed: Iterable<Followed>): Promise<unknown> | undefined {
    let flushes: Promise<void>[] | undefined;
    for (const followed of changed) {
      const { log } = followed.partition;
      if (log === undefined || log.durableEndOffset >= log.logEndOffset) continue;
      // A log that cannot be made durable has told its directory, and the partition is gone.
      (flushes ??= []).push(log.flush().catch(() => this.#delay(followed)));
    }
    return flushes === undefined ? undefined : Promise.all(flushes);
  }

  /** Undefined: there is no answer. */
  async #ask(): Promise<FetchResponse | undefined> {
    const { nodeId, peers, brokerEpoch, ports } = this.#options;
    const settings = this.#options.settings();
    const body = {
      replicaState: { replicaId: nodeId, replicaEpoch: brokerEpoch() },
      maxWaitMs: settings.fetchWaitMaxMs,
      minBytes: settings.fetchMinBytes,
      maxBytes: settings.fetchResponseMaxBytes,
      ...this.#session.next(),
    };
    try {
      return await peers.request(this.#leaderId, {
        request: FetchRequest,
        response: FetchResponse,
        body,
        timeoutMs: settings.socketTimeoutMs,
        lane: this.#lane,
        onAnswer: (response) => this.#take(response),
      });
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error;
      ports.logger.debug({ error, leaderId: this.#leaderId }, 'the leader does not answer');
      this.#session.fail();
      return undefined;
    }
  }

  #refused(errorCode: number): Promise<void> | undefined {
    const { logger } = this.#options.ports;
    logger.debug({ leaderId: this.#leaderId, error: errorName(errorCode) }, 'the leader refuses a fetch');
    this.#session.fail();
    const isFirst = this.#backoffMs === 0;
    const backoffMs = this.#raiseBackoff();
    return SESSION_ERRORS.has(errorCode) && isFirst ? undefined : this.#sleep(backoffMs);
  }

  /** Appends what came; the bytes are lent. */
  #take(response: FetchResponse): void {
    if (response.errorCode !== Errors.NONE) return;
    const { ports, traffic } = this.#options;
    const { clock, logger } = ports;
    const nowMs = clock.nowMs();
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const followed = this.#byKey.get(keyOf(topicId, answer.partitionIndex));
        const asked = this.#session.askedOf(topicId, answer.partitionIndex);
        if (followed === undefined || asked === undefined) continue;
        const sizeBytes = answer.records?.reduce((size, { length }) => size + length, 0) ?? 0;
        if (sizeBytes > 0) traffic.received(followed.partition, sizeBytes);
        const options = { asked, leaderId: this.#leaderId, nowMs, logger };
        if (takeAnswer(followed.partition, answer, options) === 'later') this.#delay(followed);
        else {
          followed.backoffMs = 0;
          this.#changed.add(followed);
        }
      }
    }
  }

  /** Something is wrong with it. */
  #delay(followed: Followed): void {
    const { fetchBackoffMs } = this.#options.settings();
    followed.backoffMs = longer(followed.backoffMs, fetchBackoffMs);
    this.#hold(followed, followed.backoffMs);
  }

  /** For so long the leader is not asked for it. */
  #hold(followed: Followed, forMs: number): void {
    if (this.#followed.get(followed.partition) !== followed) return;
    followed.notBeforeMs = this.#options.ports.clock.monotonicMs() + forMs;
    this.#changed.delete(followed);
    this.#delayed.add(followed);
    this.#session.forget(followed.partition);
  }

  #raiseBackoff(): number {
    this.#backoffMs = longer(this.#backoffMs, this.#options.settings().fetchBackoffMs);
    return this.#backoffMs;
  }

  #sleepUntilDue(): Promise<void> {
    const nowMs = this.#options.ports.clock.monotonicMs();
    let earliestMs = Infinity;
    for (const { notBeforeMs } of this.#delayed) earliestMs = Math.min(earliestMs, notBeforeMs);
    return this.#sleep(Math.max(0, earliestMs - nowMs));
  }

  /** Ends early when there is another partition, or another epoch. */
  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined = undefined;
      const end = (): void => {
        this.#wake = undefined;
        timer?.cancel();
        resolve();
      };
      this.#wake = end;
      timer = this.#options.ports.timers.after(delayMs, end);
    });
  }
}

function longer(backoffMs: number, maxMs: number): number {
  return Math.min(Math.max(BACKOFF_MS_MIN, 2 * backoffMs), Math.max(BACKOFF_MS_MIN, maxMs));
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}${partition}`;
}
