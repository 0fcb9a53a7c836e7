/** A transaction coordinator with one partition in a world of its own, and leaders that take its markers: for tests. */
import { MemoryLog } from '../coordinator/memory-log.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { TransactionLogValue } from '../protocol/records/transaction.ts';
import { silentLogger } from '../runtime/logger.ts';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import type { MarkerWriter, TransactionEnd } from './marker-sender.ts';
import type { ProducerAnswer, TransactionSettings } from './shard-state.ts';
import { TransactionCoordinator } from './transaction-coordinator.ts';
import { TRANSACTION_STATES, type TopicPartition } from './transaction.ts';
import { TRANSACTION_RECORD_FORMATS } from './transaction-records.ts';

export const TIMEOUT_MS = 60_000;

const SETTINGS = {
  transactions: {
    maxTimeoutMs: 900_000,
    idExpirationMs: 604_800_000,
    abortTimedOutCleanupIntervalMs: 10_000,
    removeExpiredCleanupIntervalMs: 3_600_000,
    twoPhaseCommitEnable: false,
    addPartitionsRetryBackoffMs: 20,
    addPartitionsRetryBackoffMaxMs: 100,
  },
  network: { requestTimeoutMs: 30_000 },
};

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

/** The leaders of all partitions: takes markers, late or never if told so. */
export class MarkerDesk implements MarkerWriter {
  /** What has been taken, as `topic-partition`. */
  readonly taken: (TransactionEnd & { readonly at: string })[] = [];
  /** Attempts, whether or not they were taken. */
  attempts = 0;
  /** True: nothing is answered until `release`. */
  isHeld = false;
  /** What a partition answers instead of taking the marker. */
  readonly refusals = new Map<string, ErrorCode>();
  #held: (() => void)[] = [];

  write({ topic, partition }: TopicPartition, end: TransactionEnd): Promise<ErrorCode> {
    this.attempts += 1;
    const at = `${topic}-${partition}`;
    const take = (): ErrorCode => {
      const refusal = this.refusals.get(at);
      if (refusal !== undefined) return refusal;
      this.taken.push({ ...end, at });
      return Errors.NONE;
    };
    if (!this.isHeld) return Promise.resolve(take());
    return new Promise((resolve) => this.#held.push(() => resolve(take())));
  }

  release(): void {
    this.isHeld = false;
    const held = this.#held;
    this.#held = [];
    for (const one of held) one();
  }
}

/** Who sends requests: its answers become its id and epoch, as a client does it. */
export interface Producer {
  producerId: number;
  producerEpoch: number;
}

export class Scene {
  readonly time: SimulatedTime;
  readonly log: MemoryLog;
  readonly coordinator: TransactionCoordinator;
  readonly desk: MarkerDesk;
  settings: Mutable<TransactionSettings> = structuredClone(SETTINGS);
  transactionVersion = 2;
  leaderEpoch = 0;
  /** The next id that nobody has had. */
  nextProducerId: number;
  readonly #process: SimulatedProcess;

  constructor(
    options: {
      readonly seed?: number | string;
      readonly log?: MemoryLog;
      readonly time?: SimulatedTime;
      readonly desk?: MarkerDesk;
      readonly nextProducerId?: number;
    } = {},
  ) {
    this.time = options.time ?? new SimulatedTime({ seed: options.seed ?? 1 });
    this.log = options.log ?? new MemoryLog();
    this.desk = options.desk ?? new MarkerDesk();
    this.nextProducerId = options.nextProducerId ?? 1000;
    this.#process = new SimulatedProcess(this.time);
    this.coordinator = new TransactionCoordinator({
      ports: { clock: this.#process.clock, timers: this.#process.timers, logger: silentLogger() },
      settings: () => this.settings,
      partitionCount: () => 1,
      transactionVersion: () => this.transactionVersion,
      producerIds: { generate: () => this.nextProducerId++ },
      markers: this.desk,
    });
  }

  /** A scene whose shard is active. */
  static async begin(options: ConstructorParameters<typeof Scene>[0] = {}): Promise<Scene> {
    const scene = new Scene(options);
    await scene.elect(0);
    return scene;
  }

  jumpWallClock(ms: number): void {
    this.#process.jumpWallClock(ms);
  }

  elect(leaderEpoch: number): Promise<void> {
    return this.time.settle(this.coordinator.onElection(0, leaderEpoch, this.log));
  }

  /** The broker is gone, with its timers; the next one has its log and sends markers to the same leaders. */
  async failover(log = this.log.copy()): Promise<Scene> {
    const next = this.#successor(log);
    await next.elect(next.leaderEpoch);
    return next;
  }

  /** As `failover`, where time goes on by itself. */
  async successor(log: MemoryLog): Promise<Scene> {
    const next = this.#successor(log);
    await next.coordinator.onElection(0, next.leaderEpoch, next.log);
    return next;
  }

  #successor(log: MemoryLog): Scene {
    this.#process.kill();
    const { time, desk, nextProducerId } = this;
    const next = new Scene({ log, time, desk, nextProducerId });
    next.leaderEpoch = this.leaderEpoch + 1;
    next.settings = this.settings;
    next.transactionVersion = this.transactionVersion;
    return next;
  }

  async init(
    options: {
      readonly id?: string;
      readonly timeoutMs?: number;
      readonly expected?: Producer;
      readonly enable2Pc?: boolean;
      readonly keepPrepared?: boolean;
    } = {},
  ): Promise<ProducerAnswer> {
    return this.time.settle(
      this.coordinator.initProducerId({
        transactionalId: options.id ?? 'tx',
        transactionTimeoutMs: options.timeoutMs ?? TIMEOUT_MS,
        enableTwoPhaseCommit: options.enable2Pc ?? false,
        keepPreparedTransaction: options.keepPrepared ?? false,
        expected: options.expected,
      }),
    );
  }

  /** A producer that has just begun. */
  async producer(id = 'tx'): Promise<Producer> {
    const { errorCode, producerId, producerEpoch } = await this.init({ id });
    if (errorCode !== Errors.NONE) throw new Error(`InitProducerId answered ${errorCode}`);
    return { producerId, producerEpoch };
  }

  add(
    producer: Producer,
    partitions: readonly string[] = ['t-0'],
    options: { readonly id?: string; readonly clientVersion?: number } = {},
  ): Promise<ErrorCode> {
    return this.time.settle(
      this.coordinator.addPartitions({
        transactionalId: options.id ?? 'tx',
        ...producer,
        partitions: partitions.map(parsePartition),
        clientVersion: options.clientVersion ?? 2,
      }),
    );
  }

  verify(producer: Producer, partitions: readonly string[], id = 'tx'): Promise<readonly ErrorCode[]> {
    const request = { transactionalId: id, ...producer, partitions: partitions.map(parsePartition) };
    return this.time.settle(this.coordinator.verifyPartitions(request));
  }

  end(
    producer: Producer,
    isCommit: boolean,
    options: { readonly id?: string; readonly clientVersion?: number } = {},
  ): Promise<ProducerAnswer> {
    const { id: transactionalId = 'tx', clientVersion = 2 } = options;
    return this.time.settle(
      this.coordinator.endTransaction({ transactionalId, ...producer, isCommit, clientVersion }),
    );
  }

  /** Ends it as a client of transactions v2 does, which goes on with what it is answered. */
  async endAndGoOn(producer: Producer, isCommit: boolean): Promise<void> {
    const { errorCode, producerId, producerEpoch } = await this.end(producer, isCommit);
    if (errorCode !== Errors.NONE) throw new Error(`EndTxn answered ${errorCode}`);
    Object.assign(producer, { producerId, producerEpoch });
    await this.time.advance(10);
  }

  state(id = 'tx'): string {
    return this.coordinator.describe(id).transactionState;
  }

  /** The states that were written, in order; `-` for a tombstone. */
  written(from = 0): string[] {
    return this.values(from).map((value) =>
      value === null ? '-' : TRANSACTION_STATES[value.transactionStatus],
    );
  }

  values(from = 0): (TransactionLogValue | null)[] {
    const records = this.log.records(TRANSACTION_RECORD_FORMATS, from);
    return records.map(({ value }) => value as TransactionLogValue | null);
  }

  /** The markers that leaders have taken, for people to read. */
  markers(): string[] {
    return this.desk.taken.map(
      ({ at, producerId, producerEpoch, isCommit }) =>
        `${at} ${isCommit ? 'commit' : 'abort'} ${producerId}:${producerEpoch}`,
    );
  }
}

export function parsePartition(text: string): TopicPartition {
  const at = text.lastIndexOf('-');
  return { topic: text.slice(0, at), partition: Number(text.slice(at + 1)) };
}
