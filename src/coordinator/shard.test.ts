/** The shard: operations and their replies, batches, timers, loading and unloading. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import type { Turn } from './machine.ts';
import { MemoryLog } from './memory-log.ts';
import { put, World } from './test-shard-world.ts';

test('a reply leaves when its records are committed, not before', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.put('a', 1);
  await world.time.advance(1);
  assert.deepEqual([world.log.logEndOffset(), world.outcomes], [1, {}]);
  assert.equal(world.machine.map.get('a'), 1);
  assert.equal(world.machine.map.getCommitted('a'), undefined);
  world.log.commit();
  assert.deepEqual(world.outcomes, { a: 'reply 1' });
  assert.equal(world.machine.map.getCommitted('a'), 1);
});

test('operations of one tick share a batch, and each sees what the ones before it did', async () => {
  const world = await World.active();
  world.put('a', 1);
  world.write('sum', (turn) => {
    const sum = world.machine.map.get('a')! + 10;
    turn.append(put('b', sum));
    return sum;
  });
  assert.deepEqual(world.outcomes, {});
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, { a: 'reply 1', sum: 'reply 11' });
  assert.deepEqual(world.log.batchCounts(), [2]);
});

test('an operation without records waits for what it may have seen', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.write('before', () => 'nothing pending');
  world.put('a', 1);
  world.write('same tick', () => world.machine.map.get('a'));
  await world.time.advance(1);
  world.write('next tick', () => world.machine.map.get('a'));
  assert.deepEqual(world.outcomes, { before: 'reply nothing pending' });
  world.log.commit();
  assert.deepEqual(world.outcomes, {
    before: 'reply nothing pending',
    a: 'reply 1',
    'same tick': 'reply 1',
    'next tick': 'reply 1',
  });
});

test('an append that fails undoes all operations in it, and tells each of them', async () => {
  const world = await World.active();
  world.put('a', 1);
  await world.time.advance(1);
  world.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  world.put('a', 2);
  world.write('b', (turn) => {
    turn.append(put('b', 3));
    turn.whenSettled('b');
  });
  world.write('seen', () => world.machine.map.get('a'));
  assert.equal(world.machine.map.get('a'), 2);
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, { a: 'fail 19', b: 'fail 19', seen: 'fail 19' });
  assert.deepEqual([...world.machine.map.entries()], [['a', 1]]);
  assert.deepEqual(world.machine.heard, ['loaded', 'settled b 19']);
  world.log.appendError = 0;
  world.put('a', 4);
  await world.time.advance(1);
  assert.deepEqual([world.outcomes.a, world.machine.map.getCommitted('a')], ['reply 4', 4]);
});

test('a log that throws counts as a storage error', async () => {
  const world = await World.active();
  world.log.append = () => {
    throw new Error('EIO');
  };
  world.put('a', 1);
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, { a: `fail ${Errors.KAFKA_STORAGE_ERROR}` });
  assert.equal(world.machine.map.has('a'), false);
});

test('records that are not committed in time are answered REQUEST_TIMED_OUT, and still count when they are', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.write('a', (turn) => {
    turn.append(put('a', 1));
    turn.whenSettled('a');
  });
  await world.time.advance(4999);
  assert.deepEqual(world.outcomes, {});
  await world.time.advance(2);
  assert.deepEqual(world.outcomes, { a: `fail ${Errors.REQUEST_TIMED_OUT}` });
  assert.equal(world.machine.map.getCommitted('a'), undefined);
  world.log.commit();
  assert.equal(world.machine.map.getCommitted('a'), 1);
  assert.deepEqual(world.machine.heard, ['loaded', 'settled a 7']);
});

test('an operation that waits for a batch which is late already times out by itself', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.put('a', 1);
  await world.time.advance(6000);
  world.write('later', () => world.machine.map.get('a'));
  await world.time.advance(4999);
  assert.deepEqual(world.outcomes, { a: `fail ${Errors.REQUEST_TIMED_OUT}` });
  await world.time.advance(1);
  assert.equal(world.outcome('later'), `fail ${Errors.REQUEST_TIMED_OUT}`);
});

test('a batch that outgrows the topic is cut between operations', async () => {
  const world = await World.active();
  world.log.maxBytes = 400;
  for (const name of ['a', 'b', 'c']) {
    world.write(name, (turn) =>
      turn.append(put(name, 1, 'x'.repeat(50)), put(`${name}2`, 2, 'x'.repeat(50))),
    );
  }
  await world.time.advance(1);
  assert.deepEqual(world.log.batchCounts(), [2, 2, 2]);
  assert.deepEqual(Object.keys(world.outcomes), ['a', 'b', 'c']);
});

test('an operation that no batch can hold is refused whole, unless its records stand alone', async () => {
  const world = await World.active();
  world.log.maxBytes = 400;
  const many = [1, 2, 3, 4, 5, 6].map((n) => put(`n${n}`, n, 'x'.repeat(50)));
  world.write('whole', (turn) => turn.append(...many));
  assert.deepEqual(world.outcomes, { whole: `fail ${Errors.MESSAGE_TOO_LARGE}` });
  assert.equal(world.machine.map.size, 0);
  world.write('alone', (turn) => {
    turn.append(...many);
    turn.inAnyBatches();
    return 'done';
  });
  await world.time.advance(1);
  assert.equal(world.outcome('alone'), 'reply done');
  assert.deepEqual(world.log.batchCounts(), [3, 3]);
});

test('a field that is longer than its format allows refuses the operation, and hurts no other', async () => {
  const world = await World.active();
  world.put('before', 1);
  world.write('long', (turn) => turn.append(put('x'.repeat(40_000), 1)));
  world.put('after', 2);
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, {
    before: 'reply 1',
    long: `fail ${Errors.MESSAGE_TOO_LARGE}`,
    after: 'reply 2',
  });
  assert.equal(world.machine.map.size, 2);
});

test('what somebody else writes to the log in between fails the batch, not the broker', async () => {
  const world = await World.active();
  world.put('a', 1);
  world.log.append(buildBatch({ records: [encoded('foreign', 9)] }));
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, { a: `fail ${Errors.KAFKA_STORAGE_ERROR}` });
  world.put('a', 2);
  await world.time.advance(1);
  assert.deepEqual([world.outcome('a'), world.machine.map.getCommitted('a')], ['reply 2', 2]);
});

test('when a full batch fails to make room, the operation that had seen it fails too', async () => {
  const world = await World.active();
  world.log.maxBytes = 400;
  const big = (name: string) => (turn: Turn<string>) =>
    turn.append(put(name, 1, 'x'.repeat(50)), put(`${name}2`, 2, 'x'.repeat(50)));
  world.write('a', big('a'));
  world.log.appendError = Errors.NOT_ENOUGH_REPLICAS;
  world.write('b', big('b'));
  assert.deepEqual(world.outcomes, { a: 'fail 19', b: 'fail 19' });
  assert.equal(world.machine.map.size, 0);
  assert.equal(world.journal.size, 0);
});

test('what an operation throws leaves no trace', async () => {
  const world = await World.active();
  assert.throws(
    () =>
      world.write('a', () => {
        world.machine.map.set('a', 1);
        throw new Error('a fault of ours');
      }),
    /a fault of ours/,
  );
  assert.equal(world.machine.map.has('a'), false);
  world.put('b', 2);
  await world.time.advance(1);
  assert.deepEqual(world.outcomes, { b: 'reply 2' });
});

test('timers run as operations, and can be cancelled', async () => {
  const world = await World.active();
  world.machine.onExpired = (turn) => turn.append(put('expired', 1));
  world.write('schedule', (turn) => {
    turn.schedule('x', 100, 'x');
    turn.schedule('y', 100, 'y');
  });
  world.write('cancel', (turn) => turn.cancel('y'));
  await world.time.advance(200);
  assert.deepEqual(world.machine.heard, ['loaded', 'expired x']);
  assert.equal(world.machine.map.getCommitted('expired'), 1);
});

test('item 60: while the log is replayed operations get COORDINATOR_LOAD_IN_PROGRESS, and others have their turn', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 20; i++) {
    const records = Array.from({ length: 500 }, (_, n) => encoded(`n${n}`, i));
    log.append(buildBatch({ records }));
  }
  log.readBytesMax = 3 * log.batches[0].length;
  const world = new World(log);
  let ticks = 0;
  const tick = (): void => {
    ticks++;
    if (world.shard.state === 'loading') world.time.soon(tick);
  };
  world.time.soon(tick);
  const loaded = world.shard.load();
  world.put('early', 1);
  assert.deepEqual(world.outcomes, { early: `fail ${Errors.COORDINATOR_LOAD_IN_PROGRESS}` });
  await world.time.settle(loaded);
  assert.ok(ticks >= 10, `${ticks} ticks for 10,000 records`);
  assert.equal(world.machine.map.size, 500);
  assert.equal(world.machine.map.getCommitted('n499'), 19);
  world.put('late', 2);
  await world.time.advance(1);
  assert.equal(world.outcome('late'), 'reply 2');
});

test('records above the high watermark are loaded, but are not seen by readers until they are committed', async () => {
  const log = new MemoryLog();
  log.append(buildBatch({ records: [encoded('a', 1)] }));
  log.isCommittedAtOnce = false;
  log.append(buildBatch({ records: [encoded('a', 2), encoded('b', 2)] }));
  const world = await World.active(log);
  assert.deepEqual([world.machine.map.get('a'), world.machine.map.get('b')], [2, 2]);
  assert.deepEqual(
    [world.machine.map.getCommitted('a'), world.machine.map.getCommitted('b')],
    [1, undefined],
  );
  log.commit();
  assert.deepEqual([world.machine.map.getCommitted('a'), world.machine.map.getCommitted('b')], [2, 2]);
});

test('records nobody knows and transaction markers among the records do not stop the loading', async () => {
  const log = new MemoryLog();
  log.append(
    buildBatch({ records: [encoded('a', 1), { key: Buffer.from([0, 99, 1]), value: Buffer.from([0]) }] }),
  );
  log.append(buildBatch({ records: [{ key: encoded('a', 1).key, value: Buffer.from([0, 9, 1]) }] }));
  log.append(buildBatch({ records: [{ key: null, value: Buffer.from([0]) }] }));
  for (const type of [0, 1, 5]) {
    const key = Buffer.from([0, 0, 0, type]);
    const records = [{ key, value: Buffer.alloc(6) }];
    log.append(
      buildBatch({
        records,
        isControl: true,
        isTransactional: true,
        producerId: 40 + type,
        producerEpoch: 0,
      }),
    );
  }
  log.append(buildBatch({ records: [encoded('b', 2)], compression: 'gzip' }));
  const world = await World.active(log);
  assert.equal(world.shard.state, 'active');
  assert.deepEqual(world.machine.heard, ['4: abort of 40/0', '5: commit of 41/0', 'loaded']);
  assert.deepEqual(
    [...world.machine.map.entries()],
    [
      ['a', 1],
      ['b', 2],
    ],
  );
});

test('records below the start of the log are not replayed, though their batch is still there', async () => {
  const log = new MemoryLog();
  log.append(buildBatch({ records: [encoded('a', 1), encoded('b', 2), encoded('c', 3)] }));
  log.startOffset = 2;
  const world = await World.active(log);
  assert.deepEqual([...world.machine.map.entries()], [['c', 3]]);
});

test('a log that cannot be read leaves the shard failed: NOT_COORDINATOR', async () => {
  const log = new MemoryLog();
  log.append(buildBatch({ records: [encoded('a', 1)] }));
  log.read = () => Promise.reject(new Error('EIO'));
  const world = await World.active(log);
  assert.equal(world.shard.state, 'failed');
  world.put('a', 1);
  assert.deepEqual(world.outcomes, { a: `fail ${Errors.NOT_COORDINATOR}` });
});

test('unloading answers everybody who waits, in flight or parked, with NOT_COORDINATOR', async () => {
  const world = await World.active();
  world.log.isCommittedAtOnce = false;
  world.put('appended', 1);
  await world.time.advance(1);
  world.put('open', 2);
  world.write('timer', (turn) => turn.schedule('x', 100, 'x'));
  const answers: string[] = [];
  world.machine.waiting.push({ respond: (response) => answers.push(response) });
  world.shard.unload();
  const code = `fail ${Errors.NOT_COORDINATOR}`;
  assert.deepEqual(world.outcomes, { appended: code, open: code, timer: code });
  assert.deepEqual(answers, ['unloaded']);
  world.put('after', 3);
  assert.equal(world.outcome('after'), code);
  world.log.commit();
  await world.time.advance(1000);
  assert.deepEqual(world.machine.heard, ['loaded']);
  assert.equal(world.log.logEndOffset(), 1);
});

test('a shard that is unloaded while it loads stops, and stays closed', async () => {
  const log = new MemoryLog();
  log.append(buildBatch({ records: [encoded('a', 1)] }));
  let open: () => void = () => undefined;
  log.readGate = new Promise((resolve) => (open = resolve));
  const world = new World(log);
  const loaded = world.shard.load();
  world.shard.unload();
  open();
  await world.time.settle(loaded);
  assert.equal(world.shard.state, 'closed');
  assert.equal(world.machine.map.size, 0);
});

function encoded(name: string, value: number): { key: Buffer; value: Buffer } {
  const key = Buffer.alloc(4 + name.length);
  key.writeInt16BE(1);
  key.writeInt16BE(name.length, 2);
  key.write(name, 4);
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(value, 2);
  return { key, value: bytes };
}
