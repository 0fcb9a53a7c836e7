import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { memoryStore, MemoryStoreServer } from './memory-store.ts';
import type { MemoryStoreFaults } from './memory-store.ts';
import { put, recordingWatcher, remove, shown, testStoreContract } from './store-contract.ts';

testStoreContract('the memory store', () => {
  const { clock, timers } = new SimulatedProcess(new SimulatedTime({ seed: 1 }));
  return memoryStore({ clock, timers, random: new SimulatedRandom(1) });
});

/** A cluster, and the processes of two of its clients. */
function world(seed: number, faults: Partial<MemoryStoreFaults> = {}) {
  const time = new SimulatedTime({ seed });
  const server = new MemoryStoreServer({
    timers: new SimulatedProcess(time).timers,
    random: new SimulatedRandom(seed),
  });
  Object.assign(server.faults, faults);
  const processA = new SimulatedProcess(time);
  const processB = new SimulatedProcess(time);
  return { time, server, processA, processB, a: server.connect(processA), b: server.connect(processB) };
}

test('with latency everything still arrives, in virtual time', async () => {
  const { time, a, b } = world(1, { latencyMs: { min: 1, max: 5 } });
  const watcher = recordingWatcher();
  const { revision } = await time.settle(b.range(''));
  b.watch('', revision + 1, watcher);
  await time.settle(a.txn([], [put('k', 'v')]));
  assert.ok(time.nowMs() >= 4);
  assert.deepEqual(shown(await time.settle(b.range(''))), ['k=v']);
  assert.deepEqual(watcher.log, [`${revision + 1}: k=v`]);
});

test('an answer that is lost is told as such: the change was made, is made later, or never', async () => {
  const fates = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const { time, server, a, b } = world(seed, { indeterminate: 1 });
    await assert.rejects(time.settle(a.txn([], [put('k', 'v')])), { code: 'indeterminate' });
    server.faults.indeterminate = 0;
    const atOnce = (await b.range('')).entries.length;
    await time.advance(10_000);
    fates.add(`${atOnce} then ${(await b.range('')).entries.length}`);
  }
  assert.deepEqual([...fates].sort(), ['0 then 0', '0 then 1', '1 then 1']);
});

test('who cannot reach the cluster learns after a time that the outcome is unknown', async () => {
  const { time, a, b } = world(1);
  a.setReachable(false);
  await assert.rejects(time.settle(a.txn([], [put('k', 'v')])), { code: 'indeterminate' });
  await assert.rejects(time.settle(a.range('')), { code: 'indeterminate' });
  assert.deepEqual(shown(await b.range('')), []);
  a.setReachable(true);
  assert.deepEqual(shown(await time.settle(a.range(''))), []);
});

test('watches that lag and are cut off miss nothing', async () => {
  const { time, a, b } = world(1, { watchLagMs: { min: 0, max: 500 } });
  const watcher = recordingWatcher();
  const { revision } = await a.range('');
  b.watch('', revision + 1, watcher);
  const expected: string[] = [];
  for (let step = 1; step <= 20; step++) {
    if (step === 5) b.setReachable(false);
    if (step === 15) b.setReachable(true);
    await a.txn([], [put('k', String(step))]);
    expected.push(`${revision + step}: k=${step}`);
    await time.advance(50);
    if (step === 14) assert.ok(watcher.log.length < 10);
  }
  await time.advance(1000);
  assert.deepEqual(watcher.log, expected);
});

test('events may come twice, never out of order', async () => {
  const { time, a } = world(1, { duplicateEvents: 0.5 });
  const revisions: number[] = [];
  a.watch('', 1, { onEvents: (revision) => void revisions.push(revision), onLost: assert.fail });
  for (let step = 0; step < 50; step++) await a.txn([], [put('k', String(step))]);
  await time.advance(0);
  assert.ok(revisions.length > 60 && new Set(revisions).size === 50);
  assert.deepEqual(
    revisions,
    revisions.toSorted((x, y) => x - y),
  );
});

test('a watch behind a compaction is told so once', async () => {
  const { time, server, a, b } = world(1, { watchLagMs: { min: 100, max: 100 } });
  const behind = recordingWatcher();
  const { revision } = await a.txn([], [put('k', '1')]);
  b.watch('', revision, behind);
  await a.txn([], [put('k', '2')]);
  await a.txn([], [put('k', '3')]);
  server.compact(revision + 1);
  await time.advance(200);
  const inTime = recordingWatcher();
  b.watch('', revision + 1, inTime);
  await a.txn([], [put('k', '4')]);
  await time.advance(200);
  assert.deepEqual(behind.log, ['lost compacted']);
  assert.deepEqual(
    inTime.log,
    [2, 3, 4].map((value) => `${revision + value - 1}: k=${value}`),
  );
});

test('a session lives as long as its process, and no longer than its time after that', async () => {
  const { time, processA, a, b } = world(1);
  const session = await a.session(6000);
  session.onLost = () => assert.fail('a dead process hears nothing');
  await a.txn([], [put('k', 'v', session.id)]);
  await time.advance(100_000);
  assert.deepEqual(shown(await b.range('')), ['k=v']);
  processA.kill();
  await time.advance(3999);
  assert.deepEqual(shown(await b.range('')), ['k=v']);
  await time.advance(2001);
  assert.deepEqual(shown(await b.range('')), []);
});

test('who is cut off gives its session up before the cluster does', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { time, server, a, b } = world(seed, { latencyMs: { min: 1, max: 400 } });
    const session = await time.settle(a.session(6000));
    await time.settle(a.txn([], [put('k', 'v', session.id)]));
    let lost = 0;
    session.onLost = () => {
      lost += 1;
      assert.deepEqual(server.sessionIds(), [session.id], 'the cluster still has it');
    };
    await time.advance(seed * 777);
    a.setReachable(false);
    await time.advance(6500);
    assert.equal(lost, 1);
    await time.advance(1000);
    assert.deepEqual(shown(await time.settle(b.range(''))), []);
  }
});

test('a process that stood still finds its session lost', async () => {
  const { time, processA, a, b } = world(1);
  const session = await a.session(6000);
  let lost = 0;
  session.onLost = () => (lost += 1);
  await a.txn([], [put('k', 'v', session.id)]);
  processA.pause();
  await time.advance(20_000);
  assert.deepEqual([lost, shown(await b.range(''))], [0, []]);
  processA.resume();
  await time.advance(1);
  assert.equal(lost, 1);
  await assert.rejects(a.txn([], [put('k', 'v', session.id)]), { code: 'sessionNotFound' });
});

test('a session that ends early at the cluster is lost at the next keep-alive', async () => {
  const { time, server, a, b } = world(1);
  const session = await a.session(6000);
  let lost = 0;
  session.onLost = () => (lost += 1);
  await a.txn([], [put('k', 'v', session.id)]);
  server.expireSession(session.id);
  assert.deepEqual([lost, shown(await b.range(''))], [0, []]);
  await time.advance(2001);
  assert.equal(lost, 1);
});

test('a session that ends late at the cluster keeps its keys longer than anybody trusts it', async () => {
  const { time, processA, a, b } = world(1, { sessionsLateMs: 10_000 });
  const session = await a.session(6000);
  await a.txn([], [put('k', 'v', session.id)]);
  processA.kill();
  await time.advance(15_000);
  assert.deepEqual(shown(await b.range('')), ['k=v']);
  await time.advance(2000);
  assert.deepEqual(shown(await b.range('')), []);
});

test('what is deleted in a session is not deleted again when it ends', async () => {
  const { a } = world(1);
  const session = await a.session(6000);
  await a.txn([], [put('k', 'v', session.id)]);
  const { revision } = await a.txn([], [remove('k')]);
  await session.close();
  assert.equal((await a.range('')).revision, revision);
});
