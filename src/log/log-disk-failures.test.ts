/** Full and failing disks under a log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { StorageError } from './log.ts';
import { testLog } from './test-log.ts';

test('a full disk refuses the append, takes it back, and goes on when there is room', async () => {
  let isFull = false;
  const f = await testLog(
    {},
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'write' && path.endsWith('.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  f.append();
  isFull = true;
  const refused = f.append();
  assert.equal(errorName(refused.errorCode), 'KAFKA_STORAGE_ERROR');
  assert.match(refused.errorMessage!, /ENOSPC/);
  assert.equal(f.log.failure, undefined);
  isFull = false;
  assert.equal(f.append().baseOffset, 1);
  await f.pass();
  assert.equal(f.log.durableEndOffset, 2);
  f.log.roll();
  assert.deepEqual(await f.read(0), [0, 1]);
});

test('what was in flight behind a batch that found the disk full waits for it, though the producer has no state', async () => {
  let isFull = false;
  const f = await testLog(
    {},
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'write' && path.endsWith('.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  const nowMs = f.ports.clock.nowMs();
  const send = (baseSequence: number): string => {
    const records = [{ key: null, value: Buffer.from('x'), timestamp: nowMs }];
    const batch = buildBatch({ records, producerId: 7, producerEpoch: 0, baseSequence });
    return errorName(f.log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', nowMs }).errorCode);
  };
  isFull = true;
  assert.equal(send(0), 'KAFKA_STORAGE_ERROR');
  isFull = false;
  assert.equal(send(1), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.deepEqual([send(0), send(1), send(2)], ['NONE', 'NONE', 'NONE']);
});

test('a full disk while a segment rolls leaves the old one in use', async () => {
  let isFull = false;
  const f = await testLog(
    { segmentBytes: 300 },
    {
      disk: {
        fault: ({ kind, path }) =>
          isFull && kind === 'open' && path.endsWith('3.log') ? 'ENOSPC' : undefined,
      },
    },
  );
  for (let count = 0; count < 3; count++) f.append();
  isFull = true;
  assert.equal(errorName(f.append().errorCode), 'KAFKA_STORAGE_ERROR');
  isFull = false;
  assert.equal(f.append().baseOffset, 3);
  assert.deepEqual(f.log.segmentBaseOffsets(), [0, 3]);
});

for (const kind of ['sync', 'write'] as const) {
  test(`a failed ${kind} ends the directory: nothing more is acknowledged, waiting callers are told`, async () => {
    let fails = false;
    const f = await testLog(
      {},
      {
        disk: {
          fault: (one) => (fails && one.kind === kind && one.path.endsWith('.log') ? 'EIO' : undefined),
        },
      },
    );
    const failures: Error[] = [];
    const directories: string[] = [];
    f.log.onFailure = (error) => failures.push(error);
    f.directories.onDirectoryFailure = (path) => directories.push(path);
    f.append();
    await f.pass();
    fails = true;
    const result = f.append();
    const flushed = f.log.flush().then(
      () => 'durable',
      (error: unknown) => error,
    );
    await f.pass();
    fails = false;
    assert.ok((await flushed) instanceof StorageError);
    assert.equal(errorName(result.errorCode), kind === 'write' ? 'KAFKA_STORAGE_ERROR' : 'NONE');
    assert.deepEqual([failures.length, directories], [1, ['/d']]);
    assert.equal(f.log.durableEndOffset, 1);
    assert.equal(errorName(f.append().errorCode), 'KAFKA_STORAGE_ERROR');
    assert.throws(() => f.log.read({ offset: 0, maxBytes: 1, upTo: 1, minOneMessage: true }), StorageError);
    await f.pass(1000);
    assert.equal(f.log.durableEndOffset, 1);
  });
}
