import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimulatedPorts } from '../runtime/simulated-ports.ts';
import { append, ID, open, ports, settings } from './test-directories.ts';

/** A log of ten records, stopped cleanly, of whose file an end is missing then. */
async function cutAfterCleanStop(p: SimulatedPorts): Promise<void> {
  const first = await open(p, { directories: ['/a'] });
  append(first.create({ topic: 't', partition: 0, topicId: ID, settings }), 3, p.clock.nowMs());
  await p.time.settle(first.shutdown());
  const file = p.disk.open('/a/t-0/00000000000000000000.log', 'write');
  file.truncate(300);
  file.close();
}

test('G10: what is missing from a log stays known over all later starts, however they come about', async () => {
  const p = ports();
  await cutAfterCleanStop(p);
  for (const isClean of [true, false, true]) {
    const next = await open(p, { directories: ['/a'] });
    assert.equal(next.get({ topic: 't', partition: 0 }), undefined);
    assert.match(next.offlineReason('t', 0) ?? '', /t-0/);
    assert.equal(next.hasLost({ topic: 't', partition: 0 }), true);
    append(next.create({ topic: 'u', partition: 0, topicId: ID, settings }), 1, p.clock.nowMs());
    await p.time.settle(next.checkpoint());
    if (isClean) await p.time.settle(next.shutdown());
    else next.release();
  }
});

test('G10: damaged files are set aside, and the log is made anew', async () => {
  const p = ports();
  await cutAfterCleanStop(p);
  const second = await open(p, { directories: ['/a'] });
  const of = { topic: 't', partition: 0 };
  assert.equal(second.setAside({ topic: 't', partition: 1 }), false);
  assert.equal(second.setAside(of), true);
  assert.equal(second.create({ ...of, topicId: ID, settings }).logEndOffset, 0);
  assert.equal(p.disk.list('/a').filter((name) => name.endsWith('-stray')).length, 1);
  append(second.get(of)!, 1, p.clock.nowMs());
  await p.time.settle(second.checkpoint());
  second.release();
  const third = await open(p, { directories: ['/a'] });
  assert.equal(third.get(of)?.logEndOffset, 1);
  assert.equal(third.hasLost(of), false);
  assert.equal(p.disk.list('/a').filter((name) => name.endsWith('-stray')).length, 1);
});

test('G10: a log that ends below what had been committed, or is gone, has lost something', async () => {
  const p = ports();
  const first = await open(p, { directories: ['/a'] });
  for (const partition of [0, 1, 2]) {
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 3, p.clock.nowMs());
  }
  const watermarks = new Map([0, 1, 2].map((partition) => [`t-${partition}`, 3]));
  await p.time.settle(first.checkpointHighWatermarks(watermarks));
  await p.time.settle(first.checkpoint());
  first.release();
  p.disk.corrupt('/a/t-1/00000000000000000000.log', 300, Buffer.from('x'));
  p.disk.rename('/a/t-2', '/a/elsewhere');
  const second = await open(p, { directories: ['/a'] });
  const lost = [0, 1, 2].filter((partition) => second.hasLost({ topic: 't', partition }));
  assert.deepEqual(lost, [1, 2]);
});

/** Opened again after a clean stop, and all of it looked at: which partitions were found damaged. */
async function audited(p: SimulatedPorts) {
  const directories = await open(p, { directories: ['/a'] });
  const damaged: string[] = [];
  directories.onDamage = ({ topic, partition }) => void damaged.push(`${topic}-${partition}`);
  directories.startAudit();
  await p.time.advance(20_000);
  return { directories, damaged };
}

test('G10: a batch that is not as it was written is found by an audit, in whatever segment it is', async () => {
  const p = ports();
  const first = await open(p, { directories: ['/a'] });
  for (const partition of [0, 1, 2, 3]) {
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 30, p.clock.nowMs());
  }
  const { folder, segmentCount } = first.get({ topic: 't', partition: 1 })!;
  assert.ok(segmentCount > 3);
  await p.time.settle(first.shutdown());
  p.disk.corrupt(`${folder}/00000000000000000000.log`, 200, Buffer.from('x'));
  // A length that cannot be, which hides all that follows.
  p.disk.corrupt('/a/t-3/00000000000000000000.log', 8, Buffer.from([0, 0, 0, 1]));
  const { directories: second, damaged } = await audited(p);
  assert.deepEqual(damaged, ['t-1', 't-3']);
  for (const partition of [0, 1, 2, 3]) {
    assert.equal(second.hasLost({ topic: 't', partition }), partition % 2 === 1);
    assert.equal(second.get({ topic: 't', partition }) === undefined, partition % 2 === 1);
  }
  await p.time.settle(second.shutdown());
  const { directories: third, damaged: again } = await audited(p);
  assert.match(third.offlineReason('t', 1) ?? '', /checksum/);
  assert.deepEqual(again, []);
  assert.equal(third.setAside({ topic: 't', partition: 1 }), true);
  assert.equal(third.create({ topic: 't', partition: 1, topicId: ID, settings }).logEndOffset, 0);
  third.release();
});

test('a full disk that cannot take the mark of a damaged log costs that log alone', async () => {
  let isFull = false;
  const p = ports({ fault: ({ kind }) => (isFull && kind === 'write' ? 'ENOSPC' : undefined) });
  const first = await open(p, { directories: ['/a'] });
  for (const partition of [0, 1]) {
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 30, p.clock.nowMs());
  }
  await p.time.settle(first.shutdown());
  p.disk.corrupt('/a/t-1/00000000000000000000.log', 200, Buffer.from('x'));
  const second = await open(p, { directories: ['/a'] });
  const damaged: string[] = [];
  second.onDamage = ({ topic, partition }) => void damaged.push(`${topic}-${partition}`);
  second.startAudit();
  isFull = true;
  await p.time.advance(20_000);
  assert.deepEqual(damaged, ['t-1']);
  assert.equal(second.hasLost({ topic: 't', partition: 1 }), true);
  assert.deepEqual(
    second.directories().map(({ isOnline }) => isOnline),
    [true],
  );
  isFull = false;
  append(second.get({ topic: 't', partition: 0 })!, 1, p.clock.nowMs());
  assert.equal(second.setAside({ topic: 't', partition: 1 }), true);
  append(second.create({ topic: 't', partition: 1, topicId: ID, settings }), 1, p.clock.nowMs());
  await p.time.settle(second.shutdown());
});

test('an audit finds nothing wrong with logs that are appended to, cut and shortened meanwhile', async () => {
  const p = ports();
  const first = await open(p, { directories: ['/a'] });
  for (const partition of [0, 1, 2]) {
    append(first.create({ topic: 't', partition, topicId: ID, settings }), 2_000, p.clock.nowMs());
  }
  await p.time.settle(first.shutdown());
  const second = await open(p, { directories: ['/a'] });
  const damaged: string[] = [];
  second.onDamage = ({ topic, partition }) => void damaged.push(`${topic}-${partition}`);
  second.startAudit();
  await p.time.advance(4_999);
  for (let round = 0; round < 200; round++) {
    const [appended, cut, shortened] = [0, 1, 2].map((partition) => second.get({ topic: 't', partition })!);
    append(appended!, 3, p.clock.nowMs());
    if (cut!.logEndOffset > 10) cut!.truncateTo(cut!.logEndOffset - 10);
    append(cut!, 2, p.clock.nowMs());
    shortened!.deleteRecordsBefore(Math.min(shortened!.logEndOffset, round * 11));
    await p.time.advance(2);
  }
  await p.time.advance(10_000);
  assert.deepEqual(damaged, []);
  await p.time.settle(second.shutdown());
});
