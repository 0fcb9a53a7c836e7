/**
 * A log on a simulated disk, and everything that was ever appended to it, for tests that crash it: what may be found
 * afterwards follows from what was appended, and what must be found from what was said to be durable.
 */
import assert from 'node:assert/strict';
import type { LogDirectories } from '../../src/log/log-directories.ts';
import type { AppendResult, Log } from '../../src/log/log.ts';
import { OffsetIndex } from '../../src/log/offset-index.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from '../../src/log/settings.ts';
import {
  bytesOf,
  markerOf,
  openDirectories,
  producedBy,
  readThrough,
  type TestProducer,
} from '../../src/log/test-log.ts';
import { TimeIndex } from '../../src/log/time-index.ts';
import { endedTransaction } from '../../src/protocol/control-records.ts';
import * as header from '../../src/protocol/record-batch.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import type { SimulatedDiskOptions, Unsynced } from '../../src/runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../../src/runtime/simulated-ports.ts';

export const DIRECTORY = '/data';
export const TOPIC_ID = 'T'.repeat(16);
export const SETTINGS: LogSettings = {
  ...DEFAULT_LOG_SETTINGS,
  segmentBytes: 600,
  indexIntervalBytes: 150,
  fileDeleteDelayMs: 1000,
  retentionMs: -1,
};

/** What happened to one topic's partition, over all its restarts. */
export class History {
  /** By base offset: every batch that was ever appended there, the latest last. */
  readonly appended = new Map<number, Buffer[]>();
  /** End of what was said to be durable, for each life of the log between two cuts. */
  durableEnd = 0;
  /** The highest start that was asked for. */
  startMax = 0;
  /** A cut or removal was asked for: records from here on may be gone. */
  cutAt = Infinity;
}

export class World {
  ports: SimulatedPorts;
  directories!: LogDirectories;
  readonly history = new History();
  readonly settings: LogSettings;

  constructor(
    seed: number | string,
    options: { disk?: Partial<SimulatedDiskOptions>; settings?: LogSettings } = {},
  ) {
    this.ports = simulatedPorts({ seed, ...(options.disk === undefined ? {} : { disk: options.disk }) });
    this.settings = options.settings ?? SETTINGS;
  }

  async open(): Promise<void> {
    this.directories = await openDirectories(this.ports, {
      directories: [DIRECTORY],
      settingsFor: () => this.settings,
      openFilesMax: 4,
    });
  }

  get log(): Log {
    const { settings } = this;
    const log = this.directories.create({ topic: 'topic', partition: 0, topicId: TOPIC_ID, settings });
    log.onDurable = (end) => {
      this.history.durableEnd = Math.max(this.history.durableEnd, end);
    };
    return log;
  }

  /** Appends a batch of records whose values are told apart by `name`. */
  append(
    name: string,
    options: { count?: number; epoch?: number; producer?: TestProducer; timestamp?: number } = {},
  ): AppendResult {
    const { producer } = options;
    const count = options.count ?? 1;
    const records = Array.from({ length: count }, (_, index) => ({
      key: null,
      value: Buffer.from(`${name} ${index}`.padEnd(80, '.')),
      timestamp: options.timestamp ?? this.ports.clock.nowMs(),
    }));
    const batch = buildBatch({ records, ...producedBy(producer) });
    if (producer !== undefined) producer.sequence += count;
    return this.#append(batch, 'client', options.epoch ?? 0);
  }

  mark(producer: TestProducer, isAbort: boolean, epoch = 0): AppendResult {
    const timestamp = this.ports.clock.nowMs();
    return this.#append(markerOf(producer, { isCommit: !isAbort, timestamp }), 'marker', epoch);
  }

  #append(batch: Buffer, origin: 'client' | 'marker', leaderEpoch: number): AppendResult {
    const result = this.log.appendAsLeader(batch, { leaderEpoch, origin, nowMs: this.ports.clock.nowMs() });
    // Noted also when it was refused: after a crash a part, or all, of it may be there.
    const baseOffset = header.baseOffset(batch);
    const seen = this.history.appended.get(baseOffset) ?? [];
    this.history.appended.set(baseOffset, [...seen, Buffer.from(batch)]);
    return result;
  }

  pass(ms: number): Promise<void> {
    return this.ports.time.advance(ms);
  }

  /** The machine loses power, or the process dies, and the next one starts. */
  async restart(unsynced: Unsynced): Promise<void> {
    this.ports.kill({ powerCut: unsynced !== 'keep' });
    this.ports = this.ports.restart(unsynced);
    await this.open();
  }

  /** All batches in the log, read from the disk. */
  async readAll(log: Log): Promise<Buffer[]> {
    const { batches, nextOffset } = await this.ports.time.settle(readThrough(log, 100_000));
    assert.equal(nextOffset, log.logEndOffset, `nothing at ${nextOffset}`);
    return batches;
  }

  /** A new history begins: what is in the log now is all that was ever appended. */
  async forgetThePast(): Promise<void> {
    const { history, log } = this;
    history.appended.clear();
    for (const batch of await this.readAll(log))
      history.appended.set(header.baseOffset(batch), [Buffer.from(batch)]);
    history.cutAt = Infinity;
    history.durableEnd = log.durableEndOffset;
    history.startMax = Math.max(history.startMax, log.logStartOffset);
  }

  /**
   * Everything that must hold after a crash, whatever was going on. `indexes`: no clean restart has added entries to the
   * time index of a segment that was written on.
   */
  async check(options: { readonly indexes: boolean } = { indexes: true }): Promise<void> {
    const { history } = this;
    assert.equal(this.directories.offlineReason('topic', 0), undefined);
    const log = this.log;
    const durableEnd = Math.min(history.durableEnd, history.cutAt);
    assert.ok(log.logEndOffset >= durableEnd, `ends at ${log.logEndOffset}, ${durableEnd} was durable`);
    // Before anything is durable the first segment's name may be lost and a later one's not: Kafka begins there, too.
    if (durableEnd > 0) assert.ok(log.logStartOffset <= history.startMax, `begins at ${log.logStartOffset}`);
    assert.equal(log.durableEndOffset, log.logEndOffset);
    const batches = await this.readAll(log);
    let next = batches.length === 0 ? log.logEndOffset : header.baseOffset(batches[0]);
    for (const batch of batches) {
      const offset = header.baseOffset(batch);
      assert.equal(offset, next, 'no gap');
      const known = history.appended.get(offset) ?? [];
      assert.ok(
        known.some((one) => one.equals(batch)),
        `what is at ${offset} was appended there`,
      );
      if (offset < durableEnd) assert.ok(known.at(-1)!.equals(batch), `the latest batch is at ${offset}`);
      next = header.lastOffset(batch) + 1;
    }
    assert.equal(next, log.logEndOffset);
    this.#checkEpochs(log, batches);
    checkTransactions(log, batches);
    if (options.indexes) this.#checkIndexes(log);
  }

  #checkEpochs(log: Log, batches: readonly Buffer[]): void {
    const epochs = batches.map((batch) => header.partitionLeaderEpoch(batch));
    assert.deepEqual(
      epochs,
      [...epochs].sort((a, b) => a - b),
      'epochs never fall',
    );
    assert.equal(log.latestEpoch, epochs.at(-1) ?? log.latestEpoch);
    for (const epoch of new Set(epochs.slice(0, -1))) {
      const next = batches.find((batch) => header.partitionLeaderEpoch(batch) > epoch);
      const endOffset = next === undefined ? log.logEndOffset : header.baseOffset(next);
      assert.deepEqual(log.endOffsetForEpoch(epoch), { epoch, endOffset });
    }
  }

  /** The index files of closed segments hold exactly what a scan gives. */
  #checkIndexes(log: Log): void {
    for (const baseOffset of log.segmentBaseOffsets().slice(0, -1)) {
      const name = `${log.folder}/${String(baseOffset).padStart(20, '0')}`;
      const { offsets, times } = scanned(
        bytesOf(this.ports.disk, `${name}.log`),
        baseOffset,
        this.settings.indexIntervalBytes,
      );
      assert.deepEqual(bytesOf(this.ports.disk, `${name}.index`), offsets.content(), `${name}.index`);
      assert.deepEqual(bytesOf(this.ports.disk, `${name}.timeindex`), times.content(), `${name}.timeindex`);
    }
  }
}

/**
 * The index of aborted transactions, the open ones and the last stable offset are what the batches say. A transaction
 * that began before the first batch is known by its later batches alone.
 */
function checkTransactions(log: Log, batches: readonly Buffer[]): void {
  const from = batches.length === 0 ? log.logEndOffset : header.baseOffset(batches[0]);
  const indexed = log.abortedTransactions(log.logStartOffset, log.logEndOffset);
  const ongoing = log
    .activeProducers()
    .filter(({ currentTxnStartOffset }) => currentTxnStartOffset >= 0)
    .map(({ producerId, currentTxnStartOffset }) => ({ producerId, firstOffset: currentTxnStartOffset }));
  /** Where a producer's first transaction began, if that was before. */
  const before = new Map<number, number>();
  for (const { producerId, firstOffset } of [...indexed, ...ongoing]) {
    if (firstOffset < from) before.set(producerId, firstOffset);
  }
  const open = new Map(before);
  const aborted: { producerId: number; firstOffset: number }[] = [];
  for (const batch of batches) {
    if (!header.isTransactional(batch)) continue;
    const producerId = header.producerId(batch);
    const firstOffset = open.get(producerId);
    if (!header.isControl(batch)) {
      if (firstOffset === undefined) open.set(producerId, header.baseOffset(batch));
      continue;
    }
    open.delete(producerId);
    const isAbort = endedTransaction(batch)?.isCommit === false;
    if (isAbort && firstOffset !== undefined) aborted.push({ producerId, firstOffset });
  }
  aborted.sort((a, b) => a.firstOffset - b.firstOffset);
  assert.deepEqual(indexed, aborted, 'aborted transactions');
  const opened = new Map(ongoing.map(({ producerId, firstOffset }) => [producerId, firstOffset]));
  assert.deepEqual(opened, open, 'open transactions');
  if (open.size === 0) return;
  const first = Math.max(log.logStartOffset, Math.min(...open.values()));
  assert.ok(log.firstUnstableOffset! <= first, `${log.firstUnstableOffset} is beyond ${first}`);
}

function scanned(
  bytes: Buffer,
  baseOffset: number,
  intervalBytes: number,
): { offsets: OffsetIndex; times: TimeIndex } {
  const offsets = new OffsetIndex(baseOffset);
  const times = new TimeIndex(baseOffset);
  let maxTimestamp = -1;
  let maxOffset = baseOffset;
  let indexed = 0;
  header.forEachBatch(bytes, (at) => {
    if (header.maxTimestamp(bytes, at) > maxTimestamp) {
      maxTimestamp = header.maxTimestamp(bytes, at);
      maxOffset = header.lastOffset(bytes, at);
    }
    if (at - indexed > intervalBytes) {
      offsets.append(header.lastOffset(bytes, at), at);
      times.maybeAppend(maxTimestamp, maxOffset);
      indexed = at;
    }
  });
  times.maybeAppend(maxTimestamp, maxOffset);
  return { offsets, times };
}
