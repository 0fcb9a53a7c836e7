// A member of a share group against brokers that keep one as Kafka does, on simulated wires.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { isKafkaError, type AcknowledgedOffsets, type ShareRecord } from '../client.ts';
import { BREAK, SILENCE } from '../test-cluster.ts';
import { ACKNOWLEDGE, FETCH, HEARTBEAT, ShareGroup } from './test-share-group.ts';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);
const refusedBy = (name: string) => (error: unknown) => isKafkaError(error, name);

test('a loop accepts each record when it asks for the next, and says so with the next fetch', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a', 'b', 'c');
  const consumer = group.consumer();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { text, deliveryCount } of consumer) {
      seen.push(`${text} #${deliveryCount}`);
      if (seen.length === 4) break;
    }
  })();
  await group.until('all is accepted', () => group.states().join() === 'done,done,done');
  assert.deepEqual(group.cluster.requests(ACKNOWLEDGE), [], 'no request for that alone');
  group.produce(0, 'd');
  await group.cluster.settle(reading);
  assert.deepEqual(seen, ['a #1', 'b #1', 'c #1', 'd #1']);
  assert.equal(group.states().at(-1), 'acquired #1', 'what the loop was left with is open');
  await group.cluster.settle(consumer.close());
  assert.equal(group.states().at(-1), 'available #1', 'delivered, and given back');
  const sessions = group.cluster.requests(FETCH).map(({ shareSessionEpoch }) => shareSessionEpoch);
  assert.deepEqual(sessions, numbered(sessions.length).map(Number));
  assert.equal(group.cluster.requests(HEARTBEAT).at(-1).memberEpoch, -1);
  await group.cluster.settle(group.client.close());
});

test('what is said of a record decides whether it comes again', async () => {
  const group = new ShareGroup();
  group.produce(0, 'accept', 'release', 'reject', 'silent');
  const told: AcknowledgedOffsets[] = [];
  const consumer = group.consumer({
    acknowledgement: 'explicit',
    onAcknowledged: (one) => void told.push(one),
  });
  const records = (await group.cluster.settle(consumer.poll()))!;
  assert.deepEqual(
    records.map(({ text }) => text),
    ['accept', 'release', 'reject', 'silent'],
  );
  records[0]!.accept();
  records[1]!.release();
  records[2]!.reject();
  assert.throws(() => records[0]!.release(), refusedBy('INVALID_ARGUMENT'));
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['done', 'available #1', 'archived', 'acquired #1']);
  assert.deepEqual(
    told.map(({ ranges, error }) => [ranges, error]),
    [
      [
        [
          [0, 0],
          [1, 1],
          [2, 2],
        ],
        undefined,
      ],
    ],
  );
  const [again] = (await group.cluster.settle(consumer.poll()))!;
  assert.equal(`${again!.text} #${again!.deliveryCount}`, 'release #2');
  assert.equal(group.states()[3], 'acquired #1', 'nothing is said of it by asking for more');
  await group.cluster.settle(group.client.close());
  assert.deepEqual(group.states(), ['done', 'available #2', 'archived', 'available #1']);
});

test('what was fetched ahead and not handed out does not count as delivered when the consumer is closed', async () => {
  const group = new ShareGroup();
  group.produce(0, ...numbered(10));
  const consumer = group.consumer();
  const iterator = consumer[Symbol.asyncIterator]();
  await group.cluster.settle(iterator.next());
  await group.cluster.settle(iterator.next());
  assert.equal(consumer.bufferedBytes > 0, true);
  await group.cluster.settle(consumer.close());
  assert.deepEqual(group.states(), ['done', 'available #1', ...numbered(8).map(() => 'available #0')]);
  await group.cluster.settle(group.client.close());
});

test('acknowledgements leave soon although nobody asks for more, and together', async () => {
  const group = new ShareGroup();
  group.produce(0, ...numbered(6));
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const records = (await group.cluster.settle(consumer.poll()))!;
  for (const record of records) record.accept();
  await group.until('they are done', () => group.states().every((state) => state === 'done'));
  const batches = group.cluster
    .requests(ACKNOWLEDGE)
    .map(({ topics }) => topics[0].partitions[0].acknowledgementBatches);
  assert.deepEqual(batches, [[{ firstOffset: 0, lastOffset: 5, acknowledgeTypes: [1] }]]);
  const before = group.cluster.asked.length;
  await group.cluster.settle(group.sleep(900));
  assert.equal(
    group.cluster.asked.slice(before).filter(({ key }) => key !== HEARTBEAT).length,
    0,
    'and then quiet',
  );
  await group.cluster.settle(group.client.close());
});

test('handlers run side by side; what they throw gives the record back', async () => {
  const group = new ShareGroup([0, 0]);
  group.produce(0, ...numbered(10));
  group.produce(1, ...numbered(10));
  const consumer = group.consumer();
  let active = 0;
  let most = 0;
  const failures: string[] = [];
  const done: string[] = [];
  const run = consumer.run({
    concurrency: 4,
    async onRecord({ partition, text, deliveryCount }) {
      most = Math.max(most, ++active);
      await group.sleep(20);
      active -= 1;
      if (text === '3' && deliveryCount < 3) throw new Error(`no ${partition}`);
      done.push(`${partition}:${text}`);
    },
    onFailed: (error, record) => void failures.push(`${(error as Error).message} #${record.deliveryCount}`),
  });
  await group.until('all is done', () =>
    [0, 1].every((n) => group.states(n).every((state) => state === 'done')),
  );
  assert.equal(most, 4);
  assert.equal(done.length, 20);
  assert.deepEqual(failures.sort(), ['no 0 #1', 'no 0 #2', 'no 1 #1', 'no 1 #2']);
  await group.cluster.settle(consumer.close());
  await group.cluster.settle(run);
  await group.cluster.settle(group.client.close());
});

test('without onFailed what a handler throws ends the run, and the others finish', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a', 'b', 'c');
  const consumer = group.consumer();
  const run = consumer.run({
    concurrency: 2,
    async onRecord({ text }) {
      await group.sleep(text === 'a' ? 10 : 50);
      if (text === 'a') throw new Error('no');
    },
  });
  await assert.rejects(group.cluster.settle(run), /^Error: no$/);
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['available #1', 'done', 'acquired #1']);
  await group.cluster.settle(group.client.close());
});

test('closing lets handlers finish, and what they have done counts', async () => {
  const group = new ShareGroup();
  group.produce(0, ...numbered(5));
  const consumer = group.consumer();
  let signalled = false;
  const run = consumer.run({
    concurrency: 2,
    async onRecord(_record, { signal }) {
      signal.addEventListener('abort', () => (signalled = true));
      await group.sleep(300);
    },
  });
  await group.until('two are acquired', () => group.states()[1] === 'acquired #1');
  await group.cluster.settle(group.sleep(50));
  await group.cluster.settle(consumer.close());
  await group.cluster.settle(run);
  assert.ok(signalled);
  assert.deepEqual(group.states(), ['done', 'done', ...numbered(3).map(() => 'available #0')]);
  await group.cluster.settle(group.client.close());
});

test('a lock that ends is noticed: the record is not accepted in vain, and comes again', async () => {
  const group = new ShareGroup();
  group.lockMs = 1_000;
  group.produce(0, 'slow', 'fast');
  const told: string[] = [];
  const consumer = group.consumer({
    acknowledgement: 'explicit',
    onAcknowledged: ({ error }) => void told.push(error?.errorName ?? 'ok'),
  });
  const [slow, fast] = (await group.cluster.settle(consumer.poll()))!;
  assert.ok(slow!.lockRestMs > 900 && slow!.lockRestMs <= 1_000);
  fast!.accept();
  await group.cluster.settle(consumer.commit());
  await group.cluster.settle(group.sleep(1_200));
  assert.equal(slow!.lockRestMs, 0);
  slow!.accept();
  await assert.rejects(group.cluster.settle(consumer.commit()), refusedBy('ACQUISITION_LOST'));
  assert.deepEqual(told, ['ok', 'ACQUISITION_LOST']);
  const [again] = (await group.cluster.settle(consumer.poll()))!;
  assert.equal(`${again!.text} #${again!.deliveryCount}`, 'slow #2');
  assert.equal(consumer.metrics().failedAcknowledgements, 1);
  await group.cluster.settle(group.client.close());
});

test('a lock can be renewed, as often as it takes', async () => {
  const group = new ShareGroup();
  group.lockMs = 1_000;
  group.produce(0, 'long');
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const [record] = (await group.cluster.settle(consumer.poll()))!;
  for (let n = 0; n < 3; n++) {
    await group.cluster.settle(group.sleep(700));
    await group.cluster.settle(record!.renew());
    assert.ok(record!.lockRestMs > 900);
  }
  record!.accept();
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['done']);
  await group.cluster.settle(group.client.close());
});

test('a broker that cannot renew is not asked to', async () => {
  const group = new ShareGroup();
  group.cluster.versionMax.set(FETCH, 1).set(ACKNOWLEDGE, 1);
  group.produce(0, 'a');
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const [record] = (await group.cluster.settle(consumer.poll()))!;
  await assert.rejects(group.cluster.settle(record!.renew()), refusedBy('UNSUPPORTED_API'));
  record!.accept();
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['done']);
  await group.cluster.settle(group.client.close());
});

test('what waits here behind a slow user keeps its lock while the user goes on, and no delivery is used up', async () => {
  const group = new ShareGroup();
  group.lockMs = 1_000;
  group.produce(0, ...numbered(12));
  const consumer = group.consumer();
  const counts: number[] = [];
  const reading = (async () => {
    for await (const { deliveryCount } of consumer) {
      await group.sleep(400);
      counts.push(deliveryCount);
      if (counts.length === 12) break;
    }
  })();
  await group.cluster.settle(reading);
  assert.deepEqual(
    counts,
    numbered(12).map(() => 1),
  );
  await group.cluster.settle(consumer.commit());
  assert.ok(group.states().every((state) => state === 'done'));
  await group.cluster.settle(group.client.close());
});

test('a user who stands still does not keep what waits here', async () => {
  const group = new ShareGroup();
  group.lockMs = 1_000;
  group.produce(0, 'a', 'b');
  const consumer = group.consumer();
  const iterator = consumer[Symbol.asyncIterator]();
  await group.cluster.settle(iterator.next());
  await group.cluster.settle(group.sleep(5_000));
  assert.deepEqual(group.states(), ['available #1', 'available #1']);
  await group.cluster.settle(group.client.close());
});

test('a new leader is followed by what the old one says, and what was acquired there is lost', async () => {
  const group = new ShareGroup([0], 2);
  group.produce(0, 'a', 'b');
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const [first] = (await group.cluster.settle(consumer.poll()))!;
  const asked = group.cluster.requests(3).length;
  group.move(0, 1);
  first!.accept();
  await assert.rejects(group.cluster.settle(consumer.commit()), refusedBy('ACQUISITION_LOST'));
  const again = (await group.cluster.settle(consumer.poll()))!;
  assert.deepEqual(
    again.map(({ text }) => text),
    ['a', 'b'],
  );
  assert.equal(group.cluster.requests(3).length, asked, 'without asking for metadata');
  for (const record of again) record.accept();
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['done', 'done']);
  await group.cluster.settle(group.client.close());
});

test('several brokers are asked side by side, each in a session of its own', async () => {
  const group = new ShareGroup([0, 1, 1], 2);
  for (const partition of [0, 1, 2]) group.produce(partition, 'x', 'y');
  const consumer = group.consumer();
  let count = 0;
  const run = consumer.run({ onRecord: () => void count++ });
  await group.until('all is done', () => [0, 1, 2].every((n) => group.states(n).join() === 'done,done'));
  assert.equal(count, 6);
  assert.deepEqual(
    consumer.assignment().map(({ partition }) => partition),
    [0, 1, 2],
  );
  await group.cluster.settle(consumer.close());
  await group.cluster.settle(run);
  await group.cluster.settle(group.client.close());
});

const ENDS: readonly (number | typeof BREAK)[] = [
  Errors.SHARE_SESSION_NOT_FOUND,
  Errors.INVALID_SHARE_SESSION_EPOCH,
  Errors.SHARE_SESSION_LIMIT_REACHED,
  BREAK,
];
for (const refusal of ENDS) {
  test(`a session that has ended begins anew: ${String(refusal)}`, async () => {
    const group = new ShareGroup();
    group.produce(0, 'a', 'b');
    const consumer = group.consumer({ acknowledgement: 'explicit' });
    const [record] = (await group.cluster.settle(consumer.poll()))!;
    group.refusals.set(ACKNOWLEDGE, [refusal]);
    group.endSessions();
    record!.accept();
    await assert.rejects(group.cluster.settle(consumer.commit()));
    const again = (await group.cluster.settle(consumer.poll()))!;
    assert.deepEqual(
      again.map(({ deliveryCount }) => deliveryCount),
      [2, 2],
    );
    await group.cluster.settle(group.client.close());
  });
}

test('a fetch that fails is repeated, and the member goes on', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  group.refusals.set(FETCH, [BREAK, Errors.SHARE_SESSION_LIMIT_REACHED]);
  const consumer = group.consumer();
  const [record] = (await group.cluster.settle(consumer.poll()))!;
  assert.equal(record!.text, 'a');
  await group.cluster.settle(group.client.close());
});

test('an acknowledgement that fails for a while is repeated', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const [record] = (await group.cluster.settle(consumer.poll()))!;
  group.acknowledgeErrors.set(0, Errors.COORDINATOR_LOAD_IN_PROGRESS);
  group.cluster.time.schedule(700, () => group.acknowledgeErrors.clear());
  record!.accept();
  await group.cluster.settle(consumer.commit());
  assert.deepEqual(group.states(), ['done']);
  await group.cluster.settle(group.client.close());
});

test('a member that the group has lost joins again under its name', async () => {
  const group = new ShareGroup();
  const consumer = group.consumer();
  const polled = consumer.poll();
  await group.until('it is a member', () => consumer.isMember);
  group.refusals.set(HEARTBEAT, [Errors.UNKNOWN_MEMBER_ID]);
  await group.cluster.settle(group.sleep(3_000));
  group.produce(0, 'a');
  assert.equal((await group.cluster.settle(polled))![0]!.text, 'a');
  const beats = group.cluster.requests(HEARTBEAT);
  assert.equal(new Set(beats.map(({ memberId }) => memberId)).size, 1);
  assert.deepEqual(
    beats.slice(0, 4).map(({ memberEpoch, subscribedTopicNames }) => [memberEpoch, subscribedTopicNames]),
    [
      [0, ['t']],
      [1, null],
      [0, ['t']],
      [1, null],
    ],
  );
  await group.cluster.settle(group.client.close());
});

test('what no later try helps is told, and the next poll tries again', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  group.refusals.set(HEARTBEAT, [Errors.GROUP_AUTHORIZATION_FAILED]);
  group.refusals.set(FETCH, [Errors.TOPIC_AUTHORIZATION_FAILED]);
  const consumer = group.consumer();
  await assert.rejects(group.cluster.settle(consumer.poll()), refusedBy('GROUP_AUTHORIZATION_FAILED'));
  await assert.rejects(group.cluster.settle(consumer.poll()), refusedBy('TOPIC_AUTHORIZATION_FAILED'));
  assert.equal((await group.cluster.settle(consumer.poll()))![0]!.text, 'a');
  await group.cluster.settle(group.client.close());
});

test('topics may be a pattern, which waits for topics that it finds', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  const found = group.cluster.topics.get('t')!;
  group.cluster.topics.delete('t');
  const consumer = group.consumer({ topics: [/^t$/] });
  const polled = consumer.poll();
  await group.cluster.settle(group.sleep(2_000));
  assert.deepEqual(group.cluster.requests(HEARTBEAT), [], 'a group is not joined for no topic');
  group.cluster.topics.set('t', found);
  assert.equal((await group.cluster.settle(polled))![0]!.text, 'a');
  await group.cluster.settle(group.client.close());
});

test('a member that asks for nothing leaves, and is back with the next poll', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  const consumer = group.consumer({ pollIntervalMsMax: 5_000 });
  await group.cluster.settle(consumer.poll());
  await group.cluster.settle(group.sleep(8_000));
  assert.equal(consumer.isMember, false);
  assert.equal(group.cluster.requests(HEARTBEAT).at(-1).memberEpoch, -1);
  group.produce(0, 'b');
  const [record] = (await group.cluster.settle(consumer.poll()))!;
  assert.equal(record!.text, 'b');
  assert.ok(consumer.isMember);
  await group.cluster.settle(group.client.close());
});

test('waiting ends with the time, the signal, or the consumer', async () => {
  const group = new ShareGroup();
  const consumer = group.consumer();
  assert.equal(await group.cluster.settle(consumer.poll({ timeoutMs: 50 })), undefined);
  const stopping = new AbortController();
  const polled = consumer.poll({ signal: stopping.signal });
  group.cluster.time.schedule(50, () => stopping.abort(new Error('enough')));
  await assert.rejects(group.cluster.settle(polled), /enough/);
  const last = consumer.poll();
  const two = consumer.poll();
  await assert.rejects(two, refusedBy('INVALID_ARGUMENT'));
  group.cluster.time.schedule(50, () => void consumer.close());
  assert.equal(await group.cluster.settle(last), undefined);
  assert.equal(await consumer.poll(), undefined);
  await assert.rejects(consumer.commit(), refusedBy('CLOSED'));
  await group.cluster.settle(group.client.close());
});

test('brokers that do not answer hold up the close for seconds only', async () => {
  const group = new ShareGroup();
  group.produce(0, 'a');
  const consumer = group.consumer();
  await group.cluster.settle(consumer.poll());
  group.cluster.handlers.set(FETCH, () => SILENCE).set(HEARTBEAT, () => SILENCE);
  const polled = consumer.poll();
  await group.cluster.settle(group.sleep(2_000));
  const sinceMs = group.cluster.time.nowMs();
  const closed = consumer.close();
  assert.equal(await group.cluster.settle(polled), undefined);
  await group.cluster.settle(closed);
  const tookMs = group.cluster.time.nowMs() - sinceMs;
  assert.ok(tookMs <= 20_100, `${tookMs} ms`);
  await group.cluster.settle(group.client.close());
});

test('partitions that are given away are no longer fetched, but what was acquired of them counts', async () => {
  const group = new ShareGroup([0, 0]);
  group.produce(0, 'a');
  group.produce(1, 'b');
  const consumer = group.consumer({ acknowledgement: 'explicit' });
  const records: ShareRecord[] = [];
  for (let n = 0; n < 2; n++) records.push(...(await group.cluster.settle(consumer.poll()))!);
  group.assignment = [1];
  await group.until('it is given away', () => consumer.assignment().length === 1);
  const polled = consumer.poll();
  await group.cluster.settle(group.sleep(600));
  for (const record of records) record.accept();
  await group.cluster.settle(consumer.commit());
  assert.deepEqual([group.states(0), group.states(1)], [['done'], ['done']]);
  group.produce(0, 'not mine');
  group.produce(1, 'mine');
  assert.equal((await group.cluster.settle(polled))![0]!.text, 'mine');
  await group.cluster.settle(group.client.close());
});

test('options that make no sense are refused', () => {
  const group = new ShareGroup();
  assert.throws(() => group.consumer({ group: '' }), TypeError);
  assert.throws(() => group.consumer({ recordsMax: 0 }), TypeError);
});
