/**
 * Fetching from one leader: one request after the other, each for all partitions that are followed there. What is appended
 * is durable before the next request asks for more, since what a follower asks from is what the leader takes it to have on
 * disk; all partitions share the rounds that make them so.
 *
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
    this.#followed.set(partition, { partition, leaderEpoch, notBeforeMs: 0, backoffMs: 0 });
    this.#wake?.();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  forget(partition: Partition): void {
    this.#followed.delete(partition);
  }

  stop(): void {
    this.#isStopped = true;
    this.#followed.clear();
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
        await this.#sleep(this.#raiseBackoff());
      }
    }
    this.#isRunning = false;
    // Whoever is followed next begins anew.
    this.#session.fail();
  }

  async #turn(): Promise<void> {
    const now = this.#options.ports.clock.monotonicMs();
    const due = [...this.#followed.values()].filter(({ notBeforeMs }) => notBeforeMs <= now);
    if (due.length === 0) return this.#sleepUntilDue(now);
    await this.#makeDurable(due);
    const { traffic } = this.#options;
    let isThrottled = false;
    const wanted: WantedPartition[] = [];
    const { fetchMaxBytes } = this.#options.settings();
    for (const followed of due) {
      if (traffic.mustWait(followed.partition)) {
        isThrottled = true;
        continue;
      }
      const one = this.#wanted(followed, fetchMaxBytes);
      if (one !== undefined) wanted.push(one);
    }
    if (wanted.length === 0 && isThrottled) {
      return this.#sleep(Math.min(Math.max(traffic.waitMs(), THROTTLED_MS_MIN), THROTTLED_MS_MAX));
    }
    if (wanted.length === 0) {
      // Everything changed while the disk was at work; what is still followed has a new entry, or comes back later.
      for (const followed of due) this.#delay(followed);
      return;
    }
    const response = await this.#ask(wanted);
    if (response === undefined) return this.#sleep(this.#raiseBackoff());
    if (response.errorCode !== Errors.NONE) return this.#refused(response.errorCode);
    this.#backoffMs = 0;
    this.#take(response);
    this.#session.answered(response);
  }

  /** Undefined: it is not followed here any more, or cannot be asked for yet. */
  #wanted({ partition, leaderEpoch }: Followed, maxBytes: number): WantedPartition | undefined {
    const { log, highWatermark } = partition;
    const isHere = this.#followed.has(partition) && partition.isFollowing(leaderEpoch);
    if (!isHere || log === undefined || log.durableEndOffset < log.logEndOffset) return undefined;
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

  async #makeDurable(due: readonly Followed[]): Promise<void> {
    const flushes: Promise<void>[] = [];
    for (const followed of due) {
      const { log } = followed.partition;
      if (log === undefined || log.durableEndOffset >= log.logEndOffset) continue;
      // A log that cannot be made durable has told its directory, and the partition is gone.
      flushes.push(log.flush().catch(() => this.#delay(followed)));
    }
    if (flushes.length > 0) await Promise.all(flushes);
  }

  /** Undefined: there is no answer. */
  async #ask(wanted: readonly WantedPartition[]): Promise<FetchResponse | undefined> {
    const { nodeId, peers, brokerEpoch, ports } = this.#options;
    const settings = this.#options.settings();
    const body = {
      replicaState: { replicaId: nodeId, replicaEpoch: brokerEpoch() },
      maxWaitMs: settings.fetchWaitMaxMs,
      minBytes: settings.fetchMinBytes,
      maxBytes: settings.fetchResponseMaxBytes,
      ...this.#session.next(wanted),
    };
    try {
      return await peers.request(this.#leaderId, {
        request: FetchRequest,
        response: FetchResponse,
        body,
        timeoutMs: settings.socketTimeoutMs,
        lane: this.#lane,
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

  #take(response: FetchResponse): void {
    const { ports, traffic } = this.#options;
    const { clock, logger } = ports;
    const byId = new Map<string, Followed>();
    for (const one of this.#followed.values())
      byId.set(`${one.partition.topicId}${one.partition.partition}`, one);
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const followed = byId.get(`${topicId}${answer.partitionIndex}`);
        const asked = this.#session.askedOf(topicId, answer.partitionIndex);
        if (followed === undefined || asked === undefined) continue;
        const sizeBytes = answer.records?.reduce((size, { length }) => size + length, 0) ?? 0;
        if (sizeBytes > 0) traffic.received(followed.partition, sizeBytes);
        const options = { asked, leaderId: this.#leaderId, nowMs: clock.nowMs(), logger };
        if (takeAnswer(followed.partition, answer, options) === 'later') this.#delay(followed);
        else followed.backoffMs = 0;
      }
    }
  }

  #delay(followed: Followed): void {
    const { fetchBackoffMs } = this.#options.settings();
    followed.backoffMs = longer(followed.backoffMs, fetchBackoffMs);
    followed.notBeforeMs = this.#options.ports.clock.monotonicMs() + followed.backoffMs;
  }

  #raiseBackoff(): number {
    this.#backoffMs = longer(this.#backoffMs, this.#options.settings().fetchBackoffMs);
    return this.#backoffMs;
  }

  #sleepUntilDue(now: number): Promise<void> {
    let earliest = Infinity;
    for (const { notBeforeMs } of this.#followed.values()) earliest = Math.min(earliest, notBeforeMs);
    return this.#sleep(Math.max(0, earliest - now));
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
