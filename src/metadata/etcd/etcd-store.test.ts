import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session, WatchEvent } from '../../base/ports.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { SimulatedProcess, SimulatedTime } from '../../runtime/simulated-clock.ts';
import { SimulatedRandom } from '../../runtime/simulated-random.ts';
import { simulatedThread } from '../../runtime/simulated-thread.ts';
import { put, recordingWatcher, shown, testStoreContract } from '../store-contract.ts';
import { openEtcdStore } from './etcd-store.ts';
import type { EtcdStoreOptions } from './etcd-store.ts';
import { serveLeases } from './lease-thread.ts';
import { parseEtcdLocation } from './location.ts';
import { TestEtcd } from './test-etcd.ts';

const HOSTS = ['a:2379', 'b:2379', 'c:2379'];

/** A cluster with three endpoints, and processes that use it, in virtual time. */
function makeWorld(seed: number | string) {
  const time = new SimulatedTime({ seed });
  const random = new SimulatedRandom(seed);
  const server = new SimulatedProcess(time);
  const etcd = new TestEtcd({ timers: server.timers, random: random.fork('etcd') });
  const makeProcess = () => new SimulatedProcess(time);
  const options = (process: SimulatedProcess, more: Partial<EtcdStoreOptions> = {}): EtcdStoreOptions => ({
    transport: etcd.transport(),
    clock: process.clock,
    timers: process.timers,
    random: random.fork('client'),
    logger: silentLogger(),
    location: parseEtcdLocation(`etcd://${HOSTS.join(',')}/x`),
    ...more,
  });
  /** Its thread has a process of its own: it goes on when the main one stands still. */
  const threadFor = (process: SimulatedProcess) => {
    const own = makeProcess();
    const { logger: _, location: __, ...ports } = options(own);
    return { own, thread: simulatedThread(process.timers, (port) => serveLeases(port, ports)) };
  };
  return { time, random, etcd, makeProcess, options, threadFor };
}

testStoreContract('etcd, simulated', () => {
  const { options, makeProcess } = makeWorld('contract');
  return openEtcdStore(options(makeProcess()));
});

test('what surely did not happen is tried again, and done once', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(1);
  const store = await openEtcdStore(options(makeProcess()));
  etcd.faults.unprocessed = 0.5;
  for (let index = 0; index < 20; index++) {
    await time.settle(store.txn([], [put('a', String(index))]));
    assert.equal(etcd.applied, index + 1);
  }
  etcd.nextStatus = { code: 14, message: 'etcdserver: no leader' };
  await time.settle(store.txn([], [put('a', 'x')]));
  assert.equal(etcd.applied, 21);
});

test('a transaction whose answer is lost is not tried again, a read is', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(2);
  const store = await openEtcdStore(options(makeProcess()));
  etcd.faults.lostAnswers = 1;
  const before = etcd.calls.length;
  await assert.rejects(time.settle(store.txn([], [put('a', '1')])), { code: 'indeterminate' });
  assert.deepEqual(etcd.calls.slice(before), ['/etcdserverpb.KV/Txn']);
  etcd.faults.lostAnswers = 0.7;
  for (let index = 0; index < 5; index++) await time.settle(store.range(''));
  etcd.faults.lostAnswers = 0;
  for (const message of ['etcdserver: request timed out', 'etcdserver: leader changed']) {
    etcd.nextStatus = { code: 14, message };
    await assert.rejects(time.settle(store.txn([], [put('a', '1')])), { code: 'indeterminate' });
  }
});

test('a server that is too old is refused, with its version and the one that is needed', async () => {
  const { etcd, options, makeProcess } = makeWorld('versions');
  for (const version of ['3.4.23', '3.3.0-rc.1', '2.3.8', '', 'x']) {
    etcd.version = version;
    await assert.rejects(openEtcdStore(options(makeProcess())), {
      code: 'refused',
      message: /use 3\.5 or newer/,
    });
  }
  for (const version of ['3.5.0', '3.6.16', '3.10.1', '4.0.0']) {
    etcd.version = version;
    await (await openEtcdStore(options(makeProcess()))).close();
  }
});

test('a client that has a password shows it when etcd begins to ask, though its certificate counts as a user', async () => {
  const { time, etcd, options, makeProcess } = makeWorld('password');
  const store = await openEtcdStore(
    options(makeProcess(), { credentials: { user: 'headrace', password: 'secret' } }),
  );
  const denied = { code: 7, message: 'etcdserver: permission denied' };
  etcd.token = 'given';
  const before = etcd.calls.length;
  etcd.nextStatus = denied;
  await time.settle(store.txn([], [put('a', '1')]));
  assert.deepEqual(etcd.calls.slice(before), [
    '/etcdserverpb.KV/Txn',
    '/etcdserverpb.Auth/Authenticate',
    '/etcdserverpb.KV/Txn',
  ]);
  // With a token it is the user who may not.
  etcd.nextStatus = denied;
  await assert.rejects(time.settle(store.txn([], [put('a', '2')])), {
    code: 'refused',
    message: /denies access/,
  });
  await store.close();
});

test('without any endpoint, calls fail in time and say that nothing was done', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(3);
  const process = makeProcess();
  const store = await openEtcdStore(options(process));
  for (const fault of [etcd.refused, etcd.silent]) {
    for (const host of HOSTS) fault.add(host);
    etcd.cut();
    const startMs = time.nowMs();
    await assert.rejects(time.settle(store.txn([], [put('a', '1')])), { code: 'unavailable' });
    await assert.rejects(time.settle(store.range('')), { code: 'unavailable', message: /a:2379/ });
    assert.ok(time.nowMs() - startMs <= 10_000);
    fault.clear();
  }
  await time.settle(store.range(''));
  for (const host of HOSTS) etcd.silent.add(host);
  const startMs = time.nowMs();
  await assert.rejects(time.settle(store.txn([], [put('a', '1')])), { code: 'indeterminate' });
  assert.equal(time.nowMs() - startMs, 5000);
  await store.close();
  await time.advance(60_000);
  assert.equal(etcd.applied, 0);
});

test('a read begins anew when it is compacted between its pages, and takes smaller ones when they are too large', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(4);
  const store = await openEtcdStore(options(makeProcess()));
  for (let index = 0; index < 12; index++) {
    const keys = Array.from({ length: 100 }, (_, item) =>
      put(`${String(index).padStart(2, '0')}-${item}`, ''),
    );
    await store.txn([], keys);
  }
  etcd.faults.keysMax = 40;
  assert.equal((await store.range('')).entries.length, 1200);
  etcd.faults.keysMax = Infinity;
  etcd.faults.latencyMs = 10;
  const reading = store.range('');
  await time.advance(25);
  await Promise.resolve(etcd.apply([{ type: 'put', key: '/x/zz', value: Buffer.from('') }]));
  etcd.compact(etcd.keyspace.revision);
  const { revision, entries } = await time.settle(reading);
  assert.deepEqual([revision, entries.length], [etcd.keyspace.revision, 1201]);
});

test('a watch on a connection that has gone silent is taken up elsewhere', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(5);
  const store = await openEtcdStore(options(makeProcess()));
  const watcher = recordingWatcher();
  store.watch('', 1, watcher);
  await time.advance(100);
  for (const host of HOSTS.slice(0, 2)) etcd.silent.add(host);
  etcd.apply([{ type: 'put', key: '/x/a', value: Buffer.from('1') }]);
  await time.advance(15_000);
  assert.deepEqual(watcher.log, ['2: a=1']);
});

test('a watch is lost with a reason when its events are gone or access is denied, and for nothing less', async () => {
  const { time, etcd, options, makeProcess } = makeWorld(6);
  const store = await openEtcdStore(options(makeProcess()));
  for (let index = 0; index < 3; index++)
    etcd.apply([{ type: 'put', key: '/x/a', value: Buffer.from(String(index)) }]);
  etcd.compact(3);
  const [early, denied, moved] = [recordingWatcher(), recordingWatcher(), recordingWatcher()];
  store.watch('', 2, early);
  await time.advance(1000);
  assert.deepEqual(early.log, ['lost compacted']);
  etcd.nextCancel = 'etcdserver: permission denied';
  store.watch('', 3, denied);
  await time.advance(1000);
  assert.deepEqual(denied.log, ['lost refused']);
  etcd.nextCancel = 'etcdserver: no leader';
  store.watch('', 3, moved);
  await time.advance(1000);
  assert.deepEqual(moved.log, ['3: a=1', '4: a=2']);
});

test('watches miss and repeat nothing, whatever happens to connections', async () => {
  for (let seed = 0; seed < 60; seed++) {
    const { time, etcd, options, makeProcess, random } = makeWorld(seed);
    const store = await time.settle(openEtcdStore(options(makeProcess())));
    Object.assign(etcd.faults, {
      latencyMs: 20,
      unprocessed: 0.05,
      lostAnswers: 0.05,
      repeatedEvents: 0.2,
      fragments: 0.5,
    });
    const heard: (readonly [number, readonly WatchEvent[]])[] = [];
    store.watch('k', 2, {
      onEvents: (revision, events) => void heard.push([revision, events]),
      onLost: assert.fail,
    });
    for (let step = 0; step < 60; step++) {
      const operations = Array.from({ length: 1 + random.integer(4) }, (_, index) =>
        random.integer(4) === 0
          ? ({ type: 'delete', key: `k${index}` } as const)
          : put(`k${index}`, `${seed}/${step}`),
      );
      const done = store.txn([], operations).catch((error: { code: string }) => {
        assert.match(error.code, /indeterminate|unavailable/);
      });
      if (random.integer(10) === 0) etcd.cut();
      const host = HOSTS[random.integer(3)]!;
      if (random.integer(10) === 0) etcd.silent.add(host);
      if (random.integer(3) === 0) etcd.silent.delete(host);
      await time.advance(random.integer(400));
      if (random.integer(3) === 0) await time.settle(done);
    }
    etcd.silent.clear();
    Object.assign(etcd.faults, { unprocessed: 0, lostAnswers: 0 });
    await time.advance(30_000);
    const { revision } = etcd.keyspace;
    const expected = Array.from({ length: revision - 1 }, (_, index) => etcd.keyspace.change(index + 2))
      .map((change) => [
        change.revision,
        change.events.map((event) => ({ ...event, key: event.key.slice('/x/'.length) })),
      ])
      .filter(([, events]) => (events as WatchEvent[]).some(({ key }) => key !== ''));
    assert.deepEqual(heard, expected, `seed ${seed}`);
    await store.close();
  }
});

for (const isThreaded of [false, true]) {
  const kept = isThreaded ? 'by a thread' : 'by the main loop';

  test(`a session kept ${kept} is never trusted after it has ended, and kept while all is well`, async () => {
    for (let seed = 0; seed < 40; seed++) {
      const { time, etcd, options, makeProcess, random, threadFor } = makeWorld(seed);
      const process = makeProcess();
      const startLeaseThread = isThreaded ? () => threadFor(process).thread : undefined;
      const store = await time.settle(openEtcdStore(options(process, { startLeaseThread })));
      etcd.faults.latencyMs = 30;
      let session: Session | undefined = await time.settle(store.session(6000));
      session.onLost = () => {
        session = undefined;
      };
      await time.advance(60_000);
      assert.ok(session !== undefined, `seed ${seed}: kept while all is well`);
      let wellFromMs = time.nowMs();
      for (let step = 0; step < 400 && session !== undefined; step++) {
        const host = HOSTS[random.integer(3)]!;
        if (random.integer(40) === 0) etcd.cut();
        if (random.integer(20) === 0) etcd.silent.add(host);
        if (random.integer(20) === 0) etcd.silent.delete(host);
        if (random.integer(60) === 0) process.pause();
        await time.advance(random.integer(500));
        if (process.isPaused && random.integer(8) === 0) {
          process.resume();
          wellFromMs = time.nowMs();
        }
        if (process.isPaused || time.nowMs() === wellFromMs) continue;
        const isThere = etcd.leases.has(Number(session?.id ?? 0));
        assert.ok(session === undefined || isThere, `seed ${seed}, step ${step}: trusted, but over`);
      }
      process.resume();
      await store.close();
    }
  });
}

test('a process that stands still loses a session that a thread keeps, at etcd too', async () => {
  const { time, etcd, options, makeProcess, threadFor } = makeWorld(8);
  const process = makeProcess();
  const { thread } = threadFor(process);
  const store = await time.settle(openEtcdStore(options(process, { startLeaseThread: () => thread })));
  const session = await time.settle(store.session(6000));
  await time.settle(store.txn([], [put('a', '1', session.id)]));
  await time.advance(20_000);
  assert.equal(etcd.leases.size, 1);
  process.pause();
  await time.advance(3000);
  process.resume();
  await time.advance(20_000);
  assert.equal(etcd.leases.size, 1, 'a short standstill does no harm');
  let isLost = false;
  session.onLost = () => {
    isLost = true;
  };
  process.pause();
  await time.advance(9500);
  assert.equal(etcd.leases.size, 0);
  process.resume();
  await time.advance(10);
  assert.equal(isLost, true);
  assert.deepEqual(shown(await time.settle(store.range(''))), []);
});

test('when the thread dies, the main loop keeps its sessions', async () => {
  const { time, etcd, options, makeProcess, threadFor } = makeWorld(9);
  const process = makeProcess();
  const { thread, own } = threadFor(process);
  const store = await time.settle(openEtcdStore(options(process, { startLeaseThread: () => thread })));
  const session = await time.settle(store.session(6000));
  session.onLost = assert.fail;
  await time.advance(10_000);
  thread.die(new Error('out of memory'));
  own.kill();
  await time.advance(60_000);
  assert.equal(etcd.leases.size, 1);
  await time.settle(session.close());
  assert.equal(etcd.leases.size, 0);
});
