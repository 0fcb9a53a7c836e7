/** A compacted log on a simulated disk, for tests: appending, cleaning, and what readers see. */
import assert from 'node:assert/strict';
import type { Logger, Thread } from '../../base/ports.ts';
import * as header from '../../protocol/record-batch.ts';
import { buildBatch, forEachRecord, type NewRecord } from '../../protocol/records.ts';
import type { SimulatedDiskOptions, Unsynced } from '../../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../../runtime/simulated-ports.ts';
import type { LogDirectories } from '../log-directories.ts';
import type { AppendResult, Log } from '../log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from '../settings.ts';
import {
  bytesOf,
  markerOf,
  openDirectories,
  producedBy,
  readThrough,
  type ReadThrough,
  type TestProducer,
} from '../test-log.ts';
import { DEFAULT_CLEANER_SETTINGS, type CleanerSettings } from './cleaner-settings.ts';

export const DIRECTORY = '/data';
const TOPIC_ID = 'T'.repeat(16);

export const COMPACTED: LogSettings = {
  ...DEFAULT_LOG_SETTINGS,
  segmentBytes: 4096,
  indexIntervalBytes: 200,
  fileDeleteDelayMs: 1000,
  cleanupPolicy: { compact: true, delete: false },
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: 10_000,
};

export interface SeenRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

export interface CleanerWorldOptions {
  readonly disk?: Partial<SimulatedDiskOptions>;
  readonly settings?: Partial<LogSettings>;
  readonly logger?: Logger;
}

export class CleanerWorld {
  ports: SimulatedPorts;
  directories!: LogDirectories;
  settings: LogSettings;
  cleanerSettings: CleanerSettings = { ...DEFAULT_CLEANER_SETTINGS, backoffMs: 10 ** 9 };
  /** Taken at the next start. */
  paths: readonly string[] = [DIRECTORY];
  startThread: (() => Thread) | undefined;
  recentBytesMax: number | undefined;

  constructor(seed: number | string, options: CleanerWorldOptions = {}) {
    const { disk, logger } = options;
    this.ports = simulatedPorts({
      seed,
      ...(disk === undefined ? {} : { disk }),
      ...(logger === undefined ? {} : { logger }),
    });
    this.settings = { ...COMPACTED, ...options.settings };
  }

  async open(): Promise<void> {
    this.directories = await openDirectories(this.ports, {
      directories: this.paths,
      settingsFor: () => this.settings,
      openFilesMax: 4,
      ...(this.recentBytesMax === undefined ? {} : { recentBytesMax: this.recentBytesMax }),
      cleaner: {
        settings: () => this.cleanerSettings,
        ...(this.startThread === undefined ? {} : { startThread: this.startThread }),
      },
    });
  }

  get log(): Log {
    return this.logOf('topic', TOPIC_ID);
  }

  /** A second one, with nothing in it at first. */
  get otherLog(): Log {
    return this.logOf('other', 'O'.repeat(16));
  }

  logOf(topic: string, topicId: string): Log {
    const { settings } = this;
    const [directory] = this.paths;
    return this.directories.create({ topic, partition: 0, topicId, settings, directory });
  }

  /** `key=value`; without `=value` a tombstone; `=value` alone has no key. */
  append(
    texts: readonly string[],
    options: {
      readonly producer?: TestProducer;
      readonly compression?: header.CompressionType;
      readonly timestamp?: number;
      readonly log?: Log;
    } = {},
  ): AppendResult {
    const nowMs = this.ports.clock.nowMs();
    const records: NewRecord[] = texts.map((text) => {
      const [key, ...value] = text.split('=');
      return {
        key: key === '' ? null : Buffer.from(key),
        value: value.length === 0 ? null : Buffer.from(value.join('=')),
        timestamp: options.timestamp ?? nowMs,
      };
    });
    const { producer } = options;
    const batch = buildBatch({
      records,
      ...(options.compression === undefined ? {} : { compression: options.compression }),
      ...producedBy(producer),
    });
    const log = options.log ?? this.log;
    const result = log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs });
    assert.equal(result.errorCode, 0, String(result.errorMessage));
    if (producer !== undefined) producer.sequence += texts.length;
    return result;
  }

  mark(producer: TestProducer, how: 'commit' | 'abort'): AppendResult {
    const nowMs = this.ports.clock.nowMs();
    const marker = markerOf(producer, { isCommit: how === 'commit', timestamp: nowMs });
    const result = this.log.appendAsLeader(marker, { leaderEpoch: 0, origin: 'marker', nowMs });
    assert.equal(result.errorCode, 0, String(result.errorMessage));
    return result;
  }

  /** Begins a new segment, durably, so that all before it may be cleaned. */
  async roll(): Promise<void> {
    this.log.roll();
    await this.ports.time.settle(this.log.flush());
    await this.pass(5);
  }

  /** Cleans until nothing is dirty any more. */
  async clean(): Promise<void> {
    const { cleaner } = this.directories;
    cleaner.cleanDue();
    for (let rounds = 0; cleaner.runningCount > 0; rounds++) {
      assert.ok(rounds < 100_000, 'the cleaning ends');
      await this.pass(1);
    }
    assert.equal(cleaner.problemOf(this.log), undefined);
  }

  async rollAndClean(): Promise<void> {
    await this.roll();
    await this.clean();
  }

  pass(ms: number): Promise<void> {
    return this.ports.time.advance(ms);
  }

  /** `disk`: of the next life. */
  async restart(unsynced: Unsynced, disk: Partial<SimulatedDiskOptions> = {}): Promise<void> {
    this.ports.kill({ powerCut: unsynced !== 'keep' });
    this.ports = this.ports.restart(unsynced, disk);
    await this.open();
  }

  async restartCleanly(): Promise<void> {
    await this.ports.time.settle(this.directories.shutdown());
    await this.open();
  }

  /** All batches, as a reader gets them who takes few at once. */
  async batches(): Promise<Buffer[]> {
    return (await this.readThrough()).batches;
  }

  readThrough(): Promise<ReadThrough> {
    return this.ports.time.settle(readThrough(this.log, 400));
  }

  /** Records of clients; with `committed` only those that a read_committed consumer gets. */
  async records(isolation: 'all' | 'committed' = 'all'): Promise<SeenRecord[]> {
    const { log } = this;
    const upTo = isolation === 'all' ? log.logEndOffset : (log.firstUnstableOffset ?? log.logEndOffset);
    const aborted = isolation === 'all' ? [] : log.abortedTransactions(log.logStartOffset, upTo);
    const skipped = new Set<number>();
    const seen: SeenRecord[] = [];
    for (const batch of await this.batches()) {
      if (header.lastOffset(batch) >= upTo) break;
      const producerId = header.producerId(batch);
      // As the Java consumer does: also before a marker, whose transaction may have lost all its records.
      while (aborted.length > 0 && aborted[0].firstOffset <= header.lastOffset(batch)) {
        skipped.add(aborted.shift()!.producerId);
      }
      if (header.isControl(batch)) {
        skipped.delete(producerId);
        continue;
      }
      if (header.isTransactional(batch) && skipped.has(producerId)) continue;
      seen.push(...recordsOf(batch));
    }
    return seen;
  }

  /** As `offset:key=value`. */
  async texts(isolation: 'all' | 'committed' = 'all'): Promise<string[]> {
    return (await this.records(isolation)).map(
      ({ offset, key, value }) => `${offset}:${key ?? ''}${value === null ? '' : `=${value}`}`,
    );
  }

  /** Each batch in a few words: `baseOffset-lastOffset(record count)`. */
  async shapes(): Promise<string[]> {
    return (await this.batches()).map((batch) => {
      const kind = header.isControl(batch) ? 'marker ' : '';
      return `${kind}${header.baseOffset(batch)}-${header.lastOffset(batch)}(${header.recordCount(batch)})`;
    });
  }

  files(): string[] {
    const folder = `${DIRECTORY}/topic-0`;
    return this.ports.disk.stat(folder) === undefined ? [] : this.ports.disk.list(folder);
  }

  modifiedMs(name: string): number {
    return this.ports.disk.stat(`${DIRECTORY}/topic-0/${name}`)!.modifiedMs;
  }

  bytesOf(name: string): Buffer {
    return bytesOf(this.ports.disk, `${DIRECTORY}/topic-0/${name}`);
  }
}

export function recordsOf(batch: Buffer): SeenRecord[] {
  const records: SeenRecord[] = [];
  forEachRecord(
    batch,
    ({ offset, key, value, timestamp }) =>
      records.push({
        offset,
        key: key === null ? null : key.toString(),
        value: value === null ? null : value.toString(),
        timestamp,
      }),
    { maxDecompressedBytes: 10 ** 7 },
  );
  return records;
}
