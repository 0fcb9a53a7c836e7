/**
 * Writes to every partition of a topic again and again, one record at a time for each, acks=all, whoever leads it: what a
 * failover looks like from outside, partition by partition. A write that cannot be done is tried again, by the rules of any
 * client (who leads is asked anew, and answers that name the new leader are believed), but as soon as there is somebody to
 * ask: pauses of a real client's settings would be measured instead of the brokers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { apiOf } from '../../src/protocol/apis.ts';
import { Errors, errorName } from '../../src/protocol/errors.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/frame.ts';
import { ProduceRequest, type ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { FrameConnection } from './frame-connection.ts';
import { oneRecord } from './partitions.ts';
import type { Cluster } from './cluster-servers.ts';
import { viewOf } from './cluster-topics.ts';

/** Names leaders (KIP-951) and topics by name. */
const PRODUCE_VERSION = 12;
const CONNECTIONS_PER_BROKER = 8;
const METADATA_MS = 20;
const RETRY_MS = 20;
/** Before a leader that could not be reached is tried again, unless it is elected anew. */
const LOST_MS = 200;
/** As the delivery.timeout.ms of a client: a write that takes longer has failed. */
const DELIVERY_MS_MAX = 120_000;

/** What any client tries again after. */
const RETRIABLE: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.FENCED_LEADER_EPOCH,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  Errors.REQUEST_TIMED_OUT,
  Errors.KAFKA_STORAGE_ERROR,
]);

export interface SteadyOptions {
  readonly topic: string;
  readonly partitions: number;
  /** Between two writes to a partition. */
  readonly intervalMs: number;
}

interface Lane {
  readonly connection: FrameConnection;
  /** In the order of the requests; called with undefined when the connection is lost. */
  readonly waiting: ((frame: Buffer | undefined) => void)[];
}

/** Of one partition, times as of performance.now(). */
interface Progress {
  leader: number;
  /** Of a leader that could not be reached: it is believed in again a little later, or by a newer epoch. */
  lostEpoch: number;
  lostAtMs: number;
  leaderEpoch: number;
  acknowledged: number;
  endOffset: number;
  lastAckAtMs: number;
  /** Of the first write that was sent after the mark. */
  firstAckAfterMarkMs: number | undefined;
  longestGapMs: number;
  /** Resolved when another leader is known: whoever waits for the former one need not. */
  change: PromiseWithResolvers<undefined>;
}

export class SteadyWrites {
  readonly #cluster: Cluster;
  readonly #options: SteadyOptions;
  readonly #progress: Progress[];
  /** By node id and number. */
  readonly #lanes = new Map<string, Promise<Lane>>();
  readonly #loops: Promise<void>[] = [];
  readonly #refused = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  readonly #failures: string[] = [];
  #metadata: Promise<void> | undefined;
  #markMs = Infinity;
  /** The node that is not asked who leads. */
  #gone: number | undefined;
  #isOver = false;

  private constructor(cluster: Cluster, options: SteadyOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#progress = Array.from({ length: options.partitions }, () => ({
      leader: -1,
      lostEpoch: -1,
      lostAtMs: 0,
      leaderEpoch: -1,
      acknowledged: 0,
      endOffset: 0,
      lastAckAtMs: performance.now(),
      firstAckAfterMarkMs: undefined,
      longestGapMs: 0,
      change: Promise.withResolvers<undefined>(),
    }));
  }

  static begin(cluster: Cluster, options: SteadyOptions): SteadyWrites {
    const writes = new SteadyWrites(cluster, options);
    for (let partition = 0; partition < options.partitions; partition++) {
      writes.#loops.push(writes.#write(partition));
    }
    return writes;
  }

  /** Acknowledged records of all partitions. */
  get acknowledged(): number {
    return this.#progress.reduce((sum, one) => sum + one.acknowledged, 0);
  }

  /** Writes that were given up. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Error names of answers that were tried again after, with counts. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  /** From a write's first attempt to its acknowledgement. */
  takeLatenciesMs(): number[] {
    return this.#latenciesMs.splice(0);
  }

  /**
   * From now on a partition counts as going on when a write that begins later is acknowledged. `gone`: the node that stands
   * still, or is about to end. A client finds out by itself whom it need not ask who leads, and its settings say how soon.
   */
  mark(gone?: number): void {
    for (const one of this.#progress) one.firstAckAfterMarkMs = undefined;
    this.#gone = gone;
    this.#markMs = performance.now();
  }

  /** Milliseconds from the mark to the acknowledgement, by partition; waits until each has one. */
  async resumed(limitMs: number): Promise<number[]> {
    for (const endMs = performance.now() + limitMs; performance.now() < endMs; await this.#refresh()) {
      if (this.#progress.every((one) => one.firstAckAfterMarkMs !== undefined)) {
        return this.#progress.map((one) => one.firstAckAfterMarkMs! - this.#markMs);
      }
    }
    const waiting = this.#progress.flatMap((one, n) => (one.firstAckAfterMarkMs === undefined ? [n] : []));
    throw new Error(
      `no write for ${limitMs} ms to ${waiting.length} partitions, such as ${waiting[0]}: ${this.#state()}`,
    );
  }

  /** Resolves when each partition has at least one record more than before. */
  async settled(): Promise<void> {
    this.mark();
    await this.resumed(DELIVERY_MS_MAX);
  }

  /** Ends; by partition the offset after the last acknowledged record. */
  async end(): Promise<number[]> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    for (const lane of this.#lanes.values()) {
      await lane.then(
        ({ connection }) => connection.close(),
        () => {},
      );
    }
    return this.#progress.map(({ endOffset }) => endOffset);
  }

  async #write(partition: number): Promise<void> {
    const { intervalMs, partitions } = this.#options;
    await delay((intervalMs * partition) / partitions);
    while (!this.#isOver) {
      const beganMs = performance.now();
      await this.#deliver(partition, beganMs);
      const tookMs = performance.now() - beganMs;
      this.#latenciesMs.push(tookMs);
      await delay(Math.max(0, intervalMs - tookMs));
    }
  }

  async #deliver(partition: number, beganMs: number): Promise<void> {
    const one = this.#progress[partition];
    for (let attempt = 0; performance.now() - beganMs < DELIVERY_MS_MAX; attempt++) {
      if (one.leader < 0) {
        await this.#refresh();
        if (one.leader < 0) {
          await delay(METADATA_MS);
          continue;
        }
      }
      const sentMs = performance.now();
      const outcome = await this.#attempt(partition, one);
      if (outcome === 'done') {
        const nowMs = performance.now();
        one.acknowledged += 1;
        one.longestGapMs = Math.max(one.longestGapMs, nowMs - one.lastAckAtMs);
        one.lastAckAtMs = nowMs;
        if (sentMs >= this.#markMs) one.firstAckAfterMarkMs ??= nowMs;
        return;
      }
      if (outcome === 'later') await delay(RETRY_MS);
    }
    this.#failures.push(`partition ${partition}: not acknowledged within ${DELIVERY_MS_MAX} ms`);
  }

  /** 'again': the leader is another one, as far as is known. */
  async #attempt(partition: number, one: Progress): Promise<'done' | 'again' | 'later'> {
    const { leader } = one;
    let frame: Buffer | undefined;
    try {
      const lane = await this.#lane(leader, partition % CONNECTIONS_PER_BROKER);
      frame = await Promise.race([this.#send(lane, partition), one.change.promise]);
    } catch {
      frame = undefined;
    }
    if (frame === undefined) {
      if (one.leader !== leader) return 'again';
      this.#count('connection lost');
      one.leader = -1;
      one.lostEpoch = one.leaderEpoch;
      one.lostAtMs = performance.now();
      return 'later';
    }
    const { body } = decodeResponse(apiOf(ProduceRequest.key)!, PRODUCE_VERSION, frame);
    const [answer] = (body as ProduceResponse).responses[0].partitionResponses;
    const { errorCode, baseOffset, currentLeader } = answer;
    if (errorCode === Errors.NONE) {
      one.endOffset = Math.max(one.endOffset, baseOffset + 1);
      return 'done';
    }
    if (!RETRIABLE.has(errorCode)) {
      this.#failures.push(`partition ${partition}: ${errorName(errorCode)}`);
      return 'later';
    }
    this.#count(errorName(errorCode));
    const isElsewhere =
      errorCode === Errors.NOT_LEADER_OR_FOLLOWER || errorCode === Errors.FENCED_LEADER_EPOCH;
    if (!isElsewhere) return 'later';
    const { leaderId, leaderEpoch } = currentLeader;
    if (one.leader !== leader) return 'again';
    if (leaderId >= 0 && leaderId !== leader && leaderEpoch > one.leaderEpoch) {
      one.leader = leaderId;
      one.leaderEpoch = leaderEpoch;
      return 'again';
    }
    one.leader = -1;
    return 'later';
  }

  #send({ connection, waiting }: Lane, partition: number): Promise<Buffer | undefined> {
    const { topic } = this.#options;
    const partitionData = [{ index: partition, records: oneRecord() }];
    const body = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: topic, topicId: '', partitionData }],
    };
    const frame = encodeRequest(apiOf(ProduceRequest.key)!, {
      version: PRODUCE_VERSION,
      correlationId: 0,
      clientId: 'headrace-bench',
      body,
    });
    return new Promise((resolve) => {
      waiting.push(resolve);
      connection.write(Buffer.concat(frame));
    });
  }

  #lane(nodeId: number, number: number): Promise<Lane> {
    const key = `${nodeId} ${number}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = this.#connect(nodeId, key);
      this.#lanes.set(key, lane);
      lane.catch(() => this.#lanes.delete(key));
    }
    return lane;
  }

  async #connect(nodeId: number, key: string): Promise<Lane> {
    const connection = await FrameConnection.connect(this.#cluster.node(nodeId).port);
    const lane: Lane = { connection, waiting: [] };
    // A view of the buffer that all connections share.
    connection.onFrame = (frame) => lane.waiting.shift()?.(Buffer.from(frame));
    connection.onLost = () => {
      this.#lanes.delete(key);
      for (const resolve of lane.waiting.splice(0)) resolve(undefined);
    };
    return lane;
  }

  /** Asks who leads: those who ask at the same time share the answer. */
  #refresh(): Promise<void> {
    this.#metadata ??= this.#ask().finally(() => {
      this.#metadata = undefined;
    });
    return this.#metadata;
  }

  async #ask(): Promise<void> {
    await delay(METADATA_MS);
    for (const { id, port } of this.#cluster.nodes) {
      if (id === this.#gone || !this.#cluster.node(id).isRunning()) continue;
      try {
        for (const { partition, leader, leaderEpoch } of await viewOf(port, this.#options.topic)) {
          const one = this.#progress[partition];
          if (leaderEpoch < one.leaderEpoch) continue;
          const isLost = leaderEpoch === one.lostEpoch && performance.now() - one.lostAtMs < LOST_MS;
          if (isLost || leader === one.leader) continue;
          one.change.resolve(undefined);
          one.change = Promise.withResolvers();
          one.leader = leader;
          one.leaderEpoch = leaderEpoch;
        }
        return;
      } catch {
        // The next one.
      }
    }
  }

  #count(name: string): void {
    this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
  }

  #state(): string {
    const refused = [...this.#refused].map(([name, count]) => `${name} ${count}`).join(', ');
    return `${this.acknowledged} acknowledged; ${refused}; ${this.#failures.slice(0, 3).join('; ')}`;
  }
}
