/** Who waits for whose sync: in the rounds themselves, and as a log's user sees it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from '../base/ports.ts';
import { buildBatch } from '../protocol/records.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { LogDirectories } from './log-directories.ts';
import type { Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './settings.ts';
import { PATIENT_SYNCS_MAX, SyncRounds, type Syncable, type SyncNeed } from './sync-rounds.ts';

const SYNC_MS = 10;

/** A log that needs what it is told to, and whose files are durable when `done` is called. */
class FakeLog implements Syncable {
  syncNeed: SyncNeed;
  begun = 0;
  finished = 0;
  done: () => void = () => {};

  constructor(need: SyncNeed) {
    this.syncNeed = need;
  }

  takeTurn(): SyncNeed {
    return this.syncNeed;
  }

  beginSync(syncs: Promise<unknown>[]): void {
    this.syncNeed = 'none';
    this.begun += 1;
    syncs.push(new Promise<void>((resolve) => (this.done = resolve)));
  }

  syncNames(): void {}

  finishSync(): void {
    this.finished += 1;
  }
}

function rounds(): { p: SimulatedPorts; sync: SyncRounds } {
  const p = simulatedPorts({ seed: 1 });
  const onFailure = (error: unknown): never => assert.fail(String(error));
  return { p, sync: new SyncRounds({ timers: p.timers, onFailure }) };
}

test('a log that is slow holds up no other', async () => {
  const { p, sync } = rounds();
  const [slow, quick] = [new FakeLog('urgent'), new FakeLog('urgent')];
  for (const log of [slow, quick]) sync.request(log);
  await p.time.advance(0);
  quick.done();
  await p.time.advance(0);
  assert.deepEqual([slow.finished, quick.finished], [0, 1]);
  quick.syncNeed = 'urgent';
  sync.request(quick);
  await p.time.advance(0);
  quick.done();
  await p.time.advance(0);
  assert.deepEqual([slow.finished, quick.finished], [0, 2]);
});

test('what nobody waits for is synced a few logs at a time, and what somebody waits for goes past it', async () => {
  const { p, sync } = rounds();
  const patient = Array.from({ length: PATIENT_SYNCS_MAX * 3 }, () => new FakeLog('patient'));
  const begun = (): number => patient.filter((log) => log.begun > 0).length;
  for (const log of patient) sync.request(log);
  await p.time.advance(0);
  assert.equal(begun(), PATIENT_SYNCS_MAX);
  const urgent = new FakeLog('urgent');
  // One of those that queue cannot wait any more.
  const last = patient.at(-1)!;
  last.syncNeed = 'urgent';
  for (const log of [urgent, last]) sync.request(log);
  await p.time.advance(0);
  assert.deepEqual([urgent.begun, last.begun], [1, 1]);
  for (let round = 0; round < patient.length; round++) {
    for (const log of patient) log.done();
    await p.time.advance(0);
  }
  assert.deepEqual(
    patient.map((log) => [log.begun, log.finished]),
    patient.map(() => [1, 1]),
  );
});

test('a log that asks again and again while it queues is synced once', async () => {
  const { p, sync } = rounds();
  const patient = Array.from({ length: PATIENT_SYNCS_MAX + 1 }, () => new FakeLog('patient'));
  for (let time = 0; time < 5; time++) {
    for (const log of patient) sync.request(log);
    await p.time.advance(0);
  }
  for (const log of patient) log.done();
  await p.time.advance(0);
  patient.at(-1)!.done();
  await p.time.advance(0);
  assert.deepEqual(
    patient.map((log) => log.begun),
    patient.map(() => 1),
  );
});

test('after a failure nothing more begins', async () => {
  const p = simulatedPorts({ seed: 1 });
  const failures: unknown[] = [];
  const sync = new SyncRounds({ timers: p.timers, onFailure: (error) => failures.push(error) });
  const [broken, other] = [new FakeLog('urgent'), new FakeLog('urgent')];
  broken.beginSync = (syncs) => void syncs.push(Promise.reject(new Error('EIO')));
  for (const log of [broken, other]) sync.request(log);
  await p.time.advance(0);
  other.done();
  other.syncNeed = 'urgent';
  sync.request(other);
  await p.time.advance(0);
  assert.deepEqual([failures.length, other.begun, other.finished], [1, 1, 0]);
});

interface Bench {
  readonly p: SimulatedPorts;
  readonly directories: LogDirectories;
  readonly syncs: string[];
  make(topic: string, changes?: Partial<LogSettings>): Log;
}

/** `directorySyncMs`: what a sync of the directory's own names takes more than others. */
async function bench({ directorySyncMs = 0 } = {}): Promise<Bench> {
  const syncs: string[] = [];
  const p = simulatedPorts({
    seed: 1,
    disk: {
      syncLatencyMs: SYNC_MS,
      onOperation: ({ kind, path }) => {
        if (kind.startsWith('sync')) syncs.push(path);
      },
    },
  });
  const base = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 500 };
  const options = { directories: ['/a'], nodeId: 1, clusterId: 'c', settingsFor: () => base };
  const disk = new Proxy<Disk>(p.disk, {
    get(target, key: keyof Disk) {
      if (key === 'regionBytesMin') return target.regionBytesMin;
      if (key !== 'syncDirectoryAsync') return target[key].bind(target);
      return async (path: string) => {
        await target.syncDirectoryAsync(path);
        if (path === '/a') await new Promise<void>((resolve) => p.timers.after(directorySyncMs, resolve));
      };
    },
  });
  const opening = LogDirectories.open({ ports: { ...p, disk }, ...options });
  const directories = await p.time.settle(opening);
  return {
    p,
    directories,
    syncs,
    make: (topic, changes) =>
      directories.create({
        topic,
        partition: 0,
        topicId: 'I'.repeat(16),
        settings: { ...base, ...changes },
      }),
  };
}

function append(log: Log, nowMs: number): void {
  const records = [{ key: null, value: Buffer.alloc(50), timestamp: nowMs }];
  const { errorCode } = log.appendAsLeader(buildBatch({ records }), {
    leaderEpoch: 0,
    origin: 'client',
    nowMs,
  });
  assert.equal(errorCode, 0);
}

test('in relaxed mode the new end is told at once, also while closed segments are synced', async () => {
  const { p, make, directories } = await bench();
  const [rolling, other] = [
    make('rolling', { durability: 'relaxed' }),
    make('other', { durability: 'relaxed' }),
  ];
  await p.time.advance(100);
  const told: [string, number][] = [];
  for (const log of [rolling, other]) log.onDurable = (end) => told.push([log.topic, end]);
  append(rolling, p.clock.nowMs());
  rolling.roll();
  await p.time.advance(1);
  append(rolling, p.clock.nowMs());
  append(other, p.clock.nowMs());
  await p.time.advance(1);
  assert.ok(rolling.isSealing);
  assert.deepEqual(told, [
    ['rolling', 1],
    ['rolling', 2],
    ['other', 1],
  ]);
  await p.time.advance(100);
  assert.ok(!rolling.isSealing);
  await p.time.settle(directories.shutdown());
});

test('a record is not durable before the name of its folder is, whoever asked for that', async () => {
  const directorySyncMs = SYNC_MS * 5;
  const { p, make, directories, syncs } = await bench({ directorySyncMs });
  const [first, second] = [make('first'), make('second')];
  syncs.length = 0;
  append(first, p.clock.nowMs());
  await p.time.advance(1);
  append(second, p.clock.nowMs());
  await p.time.advance(SYNC_MS * 3);
  // Its own files and folder are durable by now.
  assert.ok(syncs.includes('/a/second-0'));
  assert.deepEqual([first.durableEndOffset, second.durableEndOffset], [0, 0]);
  await p.time.advance(directorySyncMs);
  assert.deepEqual([first.durableEndOffset, second.durableEndOffset], [1, 1]);
  assert.equal(syncs.filter((path) => path === '/a').length, 1, 'one is enough for both');
  await p.time.settle(directories.shutdown());
});
