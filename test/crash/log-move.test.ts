/** A move of a log between directories, crashed at every disk operation: afterwards it is in one of them, and whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogDirectories } from '../../src/log/log-directories.ts';
import type { AppendResult, Log, LogRead, ReadOptions } from '../../src/log/log.ts';
import { DEFAULT_LOG_SETTINGS } from '../../src/log/settings.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import { simulatedPorts, type SimulatedPorts } from '../../src/runtime/simulated-ports.ts';

const OF = { topic: 'topic', partition: 0 };
const settings = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 600, fileDeleteDelayMs: 100 };

function open(ports: SimulatedPorts): Promise<LogDirectories> {
  return ports.time.settle(
    LogDirectories.open({
      ports,
      directories: ['/a', '/b'],
      nodeId: 1,
      clusterId: 'cluster',
      settingsFor: () => settings,
    }),
  );
}

interface Told {
  durableEnd: number;
}

async function move(ports: SimulatedPorts, told: Told): Promise<void> {
  const directories = await open(ports);
  const log = directories.create({ ...OF, topicId: 'T'.repeat(16), settings });
  log.onDurable = (end) => {
    told.durableEnd = end;
  };
  const append = (from: number, count: number): void => {
    for (let value = from; value < from + count; value++) {
      const nowMs = ports.clock.nowMs();
      const records = [{ key: null, value: Buffer.from(`value ${value}`.padEnd(60)), timestamp: nowMs }];
      log.appendAsLeader(buildBatch({ records }), { leaderEpoch: 0, origin: 'client', nowMs });
    }
  };
  append(0, 8);
  await ports.time.advance(5);
  directories.moveTo(OF, '/b');
  append(8, 3);
  await ports.time.advance(50);
  append(11, 3);
  await ports.time.advance(200);
  await ports.time.settle(directories.checkpoint());
}

test('a crash at any disk operation of a move leaves one whole log', async () => {
  const probe = simulatedPorts({ seed: 'probe' });
  await move(probe, { durableEnd: 0 });
  const { operations } = probe.disk;
  assert.ok(operations > 80);
  const homes = new Set<string>();
  for (let crashAt = 1; crashAt <= operations; crashAt++) {
    for (const unsynced of ['lose', 'random', 'keep'] as const) {
      const where = `crash at ${crashAt} of ${operations}, ${unsynced}`;
      const ports = simulatedPorts({ seed: `move ${crashAt}`, disk: { crashAt } });
      const told: Told = { durableEnd: 0 };
      try {
        await move(ports, told);
      } catch (error) {
        if (!ports.disk.isCrashed) throw error;
      }
      ports.kill({ powerCut: unsynced !== 'keep' });
      const next = ports.restart(unsynced);
      const directories = await open(next);
      assert.equal(directories.offlineReason('topic', 0), undefined, where);
      const log: Log | undefined = directories.get(OF);
      if (told.durableEnd === 0 && log === undefined) continue;
      assert.ok(log !== undefined, where);
      assert.ok(log.logEndOffset >= told.durableEnd, `${where}: ${log.logEndOffset} of ${told.durableEnd}`);
      homes.add(log.directory);
      if (told.durableEnd > 0) assert.equal(log.logStartOffset, 0, where);
      for (let offset = log.logStartOffset; offset < log.logEndOffset; offset++) {
        const options: ReadOptions = { offset, maxBytes: 1, upTo: log.logEndOffset, minOneMessage: true };
        const { buffers }: LogRead = await next.time.settle(Promise.resolve(log.read(options)));
        assert.ok(buffers[0].includes(`value ${offset} `), where);
      }
      const copies = directories.describe().map(({ partitions }) => partitions.length);
      assert.equal(copies[0] + copies[1], 1, where);
    }
  }
  assert.deepEqual([...homes].toSorted(), ['/a', '/b']);
});

/** Eight records of a producer; those below `start` are deleted, and the log is moved while it is written. */
async function moveTrimmed(
  ports: SimulatedPorts,
  { start, more, told }: { start: number; more: number; told: Told },
): Promise<void> {
  const directories = await open(ports);
  directories.create({ ...OF, topicId: 'T'.repeat(16), settings });
  for (let sequence = 0; sequence < 8; sequence++) produce(ports, directories, sequence);
  await ports.time.advance(20);
  told.durableEnd = directories.get(OF)!.durableEndOffset;
  directories.get(OF)!.deleteRecordsBefore(start);
  directories.moveTo(OF, '/b');
  for (let sequence = 8; sequence < 8 + more; sequence++) produce(ports, directories, sequence);
  await ports.time.advance(200);
  assert.equal(directories.get(OF)!.directory, '/b');
}

function produce(ports: SimulatedPorts, directories: LogDirectories, sequence: number): AppendResult {
  const nowMs = ports.clock.nowMs();
  const records = [{ key: null, value: Buffer.from(`value ${sequence}`.padEnd(60)), timestamp: nowMs }];
  const batch = buildBatch({ records, producerId: 7, producerEpoch: 0, baseSequence: sequence });
  return directories.get(OF)!.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs });
}

for (const [start, more] of [
  [8, 0],
  [8, 2],
  [6, 0],
] as const) {
  test(`item 15: offsets and producers survive the move of a log that begins at ${start} and ends at ${8 + more}`, async () => {
    const probe = simulatedPorts({ seed: 'probe', disk: { syncLatencyMs: 1 } });
    await moveTrimmed(probe, { start, more, told: { durableEnd: 0 } });
    const { operations } = probe.disk;
    for (let crashAt = 1; crashAt <= operations + 1; crashAt++) {
      for (const unsynced of ['lose', 'random', 'keep'] as const) {
        const where = `crash at ${crashAt} of ${operations}, ${unsynced}`;
        const ports = simulatedPorts({ seed: `move ${crashAt}`, disk: { crashAt, syncLatencyMs: 1 } });
        const told: Told = { durableEnd: 0 };
        await moveTrimmed(ports, { start, more, told }).catch((error: unknown) => {
          if (!ports.disk.isCrashed) throw error;
        });
        ports.kill({ powerCut: unsynced !== 'keep' });
        const next = ports.restart(unsynced);
        const directories = await open(next);
        if (told.durableEnd === 0) continue;
        assert.equal(told.durableEnd, 8);
        const log = directories.get(OF)!;
        assert.ok(log.logEndOffset >= 8, `${where}: ends at ${log.logEndOffset}`);
        const sequence = log.logEndOffset - 1;
        const { errorCode, duplicate, baseOffset } = produce(next, directories, sequence);
        assert.deepEqual([errorCode, duplicate, baseOffset], [0, true, sequence], where);
      }
    }
  });
}

test('a log that begins in the middle of a batch can be moved', async () => {
  const ports = simulatedPorts({ seed: 'middle' });
  const directories = await open(ports);
  const log = directories.create({ ...OF, topicId: 'T'.repeat(16), settings });
  const nowMs = ports.clock.nowMs();
  const record = { key: null, value: Buffer.from('value'), timestamp: nowMs };
  const batch = (): Buffer => buildBatch({ records: [record, record, record] });
  for (let count = 0; count < 2; count++)
    log.appendAsLeader(batch(), { leaderEpoch: 0, origin: 'client', nowMs });
  await ports.time.advance(10);
  log.deleteRecordsBefore(1);
  directories.moveTo(OF, '/b');
  await ports.time.advance(100);
  assert.deepEqual([log.directory, log.logStartOffset, log.logEndOffset], ['/b', 1, 6]);
  const read = await ports.time.settle(
    Promise.resolve(log.read({ offset: 1, maxBytes: 1_000, upTo: 6, minOneMessage: true })),
  );
  assert.deepEqual([read.firstOffset, read.nextOffset], [0, 6]);
});
