/** A log in a directory of a simulated disk, under a clock that the test advances: what the tests of the log act on. */
import assert from 'node:assert/strict';
import type { Disk } from '../base/ports.ts';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, type NewBatch } from '../protocol/records.ts';
import type { SimulatedDiskOptions } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { LogDirectories, type LogDirectoriesOptions } from './log-directories.ts';
import type { AppendResult, Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './settings.ts';

const TOPIC = { topic: 't', partition: 0 };

/** What a producer is, and the sequence that it sends next. */
export interface TestProducer {
  readonly id: number;
  readonly isTransactional: boolean;
  epoch: number;
  sequence: number;
}

export function testProducer(id: number, isTransactional = false): TestProducer {
  return { id, isTransactional, epoch: 0, sequence: 0 };
}

/** What a batch says of its producer; nothing without one. */
export function producedBy(producer: TestProducer | undefined): Partial<NewBatch> {
  if (producer === undefined) return {};
  const { id, epoch, sequence, isTransactional } = producer;
  return { producerId: id, producerEpoch: epoch, baseSequence: sequence, isTransactional };
}

/** Ends a producer's transaction. */
export function markerOf(
  { id, epoch }: Pick<TestProducer, 'id' | 'epoch'>,
  { isCommit, timestamp }: { readonly isCommit: boolean; readonly timestamp: number },
): Buffer {
  const coordinatorEpoch = 1;
  return buildEndTransactionMarker({
    producerId: id,
    producerEpoch: epoch,
    coordinatorEpoch,
    isCommit,
    timestamp,
  });
}

export interface ReadThrough {
  readonly batches: Buffer[];
  /** The log's end, unless there was nothing to read before it. */
  readonly nextOffset: number;
}

/** All batches of a log, in copies, as a reader gets them who takes `maxBytes` at once: somebody has to let time pass. */
export async function readThrough(log: Log, maxBytes: number): Promise<ReadThrough> {
  const batches: Buffer[] = [];
  let offset = log.logStartOffset;
  while (offset < log.logEndOffset) {
    const read = await log.read({ offset, maxBytes, upTo: log.logEndOffset, minOneMessage: true });
    if (read.nextOffset === offset) break;
    for (const buffer of read.buffers) {
      for (const at of header.batchPositions(buffer)) {
        const batch = Buffer.from(buffer.subarray(at, at + header.batchSizeBytes(buffer, at)));
        assert.equal(header.checkBatch(batch), undefined);
        batches.push(batch);
      }
    }
    offset = read.nextOffset;
  }
  return { batches, nextOffset: offset };
}

export function bytesOf(disk: Disk, path: string): Buffer {
  const file = disk.open(path, 'read');
  const bytes = Buffer.alloc(file.sizeBytes());
  file.read(0, bytes);
  file.close();
  return bytes;
}

export class TestLog {
  readonly ports: SimulatedPorts;
  readonly directories: LogDirectories;
  readonly log: Log;

  constructor(ports: SimulatedPorts, directories: LogDirectories, settings: LogSettings) {
    this.ports = ports;
    this.directories = directories;
    this.log = directories.create({ ...TOPIC, topicId: 'I'.repeat(16), settings });
  }

  append(
    change: Partial<NewBatch> & { epoch?: number; sizeBytes?: number; timestamp?: number } = {},
  ): AppendResult {
    const value = Buffer.alloc(change.sizeBytes ?? 10, 'v');
    const timestamp = change.timestamp ?? this.ports.clock.nowMs();
    const batch = buildBatch({ records: [{ key: null, value, timestamp }], ...change });
    const { epoch: leaderEpoch = 0 } = change;
    return this.log.appendAsLeader(batch, { leaderEpoch, origin: 'client', nowMs: this.ports.clock.nowMs() });
  }

  mark(producerId: number, isAbort: boolean): AppendResult {
    const timestamp = this.ports.clock.nowMs();
    const batch = markerOf(testProducer(producerId), { isCommit: !isAbort, timestamp });
    return this.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'marker', nowMs: timestamp });
  }

  pass(ms = 5): Promise<void> {
    return this.ports.time.advance(ms);
  }

  settle<T>(promise: T | Promise<T>): Promise<T> {
    return this.ports.time.settle(Promise.resolve(promise));
  }

  /** Base offsets of the batches that a read gives. */
  async read(
    offset: number,
    options: { maxBytes?: number; upTo?: number; minOneMessage?: boolean } = {},
  ): Promise<number[]> {
    const { maxBytes = 1e6, upTo = this.log.logEndOffset, minOneMessage = true } = options;
    const read = await this.settle(this.log.read({ offset, maxBytes, upTo, minOneMessage }));
    const bases: number[] = [];
    for (const buffer of read.buffers) {
      for (const at of header.batchPositions(buffer)) bases.push(header.baseOffset(buffer, at));
    }
    assert.equal(
      read.sizeBytes,
      read.buffers.reduce((sum, buffer) => sum + buffer.length, 0),
    );
    return bases;
  }
}

/** Log directories on a simulated disk: one, `/d`, unless `change` says otherwise. */
export function openDirectories(
  ports: SimulatedPorts,
  change: Partial<LogDirectoriesOptions> = {},
): Promise<LogDirectories> {
  return ports.time.settle(
    LogDirectories.open({
      ports,
      directories: ['/d'],
      nodeId: 1,
      clusterId: 'c',
      settingsFor: () => DEFAULT_LOG_SETTINGS,
      ...change,
    }),
  );
}

export async function testLog(
  settings: Partial<LogSettings> = {},
  options: { disk?: Partial<SimulatedDiskOptions>; recentBytesMax?: number } = {},
): Promise<TestLog> {
  const all = { ...DEFAULT_LOG_SETTINGS, ...settings };
  const ports = simulatedPorts({ seed: 1, ...(options.disk === undefined ? {} : { disk: options.disk }) });
  const recent = options.recentBytesMax === undefined ? {} : { recentBytesMax: options.recentBytesMax };
  const directories = await openDirectories(ports, { settingsFor: () => all, ...recent });
  return new TestLog(ports, directories, all);
}
