// Consumers of share groups (KIP-932) against Apache Kafka, whatever the target of the other suites is: Headrace's broker
// serves no share groups.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { installKafkaStorage, installKafkaTools } from '../../scripts/peer-java.ts';
import {
  Client,
  isKafkaError,
  type Admin,
  type Producer,
  type ShareConsumerOptions,
} from '../../src/client/client.ts';
import { obtain } from './peer.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

const { skip } = await obtain(async () => [await installKafkaTools(), await installKafkaStorage()]);
const LOCK_MS = 2_000;
let target: Target;
let client: Client;
let admin: Admin;
let producer: Producer;

before(async () => {
  if (skip !== undefined) return;
  target = await startTarget({
    broker: 'kafka',
    settings: {
      // Less is not allowed from outside.
      'group.share.min.record.lock.duration.ms': '1000',
      'group.share.record.lock.duration.ms': String(LOCK_MS),
      'group.share.heartbeat.interval.ms': '200',
      'group.share.min.heartbeat.interval.ms': '200',
      'share.coordinator.state.topic.num.partitions': '1',
      'offsets.topic.num.partitions': '1',
    },
  });
  client = new Client({ bootstrap: target.bootstrap });
  admin = client.admin();
  producer = client.producer();
});

after(async () => {
  await client?.close();
  await target?.discard();
});

/** A topic with these values, and a group that begins at the oldest record. */
async function stage(name: string, values: readonly string[], partitions = 1) {
  await admin.createTopics([{ topic: name, partitions }]);
  await admin.alterConfigs({ type: 'group', name }, { 'share.auto.offset.reset': 'earliest' });
  await producer.sendAll(values.map((value, n) => ({ topic: name, partition: n % partitions, value })));
  return (options: Partial<ShareConsumerOptions> = {}) =>
    client.shareConsumer({ group: name, topics: [name], ...options });
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);
const bySize = (a: string, b: string): number => Number(a) - Number(b);

test('two members share the records of one partition, each record for one of them', { skip }, async () => {
  const values = numbered(2_000);
  const consumer = await stage('shared', values);
  const seen: string[][] = [[], []];
  const members = seen.map(() => consumer({ recordsMax: 100, limit: 'record' }));
  const runs = members.map((member, n) =>
    member.run({
      concurrency: 10,
      async onRecord({ text }) {
        seen[n]!.push(text!);
        await new Promise((resolve) => setImmediate(resolve));
      },
    }),
  );
  await until('all is seen', () => seen.flat().length >= values.length, { timeoutMs: 30_000 });
  for (const member of members) await member.close();
  await Promise.all(runs);
  assert.deepEqual(seen.flat().sort(bySize), values);
  assert.ok(
    seen.every((list) => list.length > 0),
    seen.map((list) => list.length).join(),
  );
  const again = consumer();
  assert.equal(await again.poll({ timeoutMs: 1_500 }), undefined, 'all is done');
  await again.close();
});

test(
  'released records come again with a higher count, rejected and accepted ones do not',
  { skip },
  async () => {
    const consumer = await stage('outcomes', ['accept', 'release', 'reject']);
    const results: (string | undefined)[] = [];
    await using member = consumer({
      acknowledgement: 'explicit',
      onAcknowledged: ({ error }) => void results.push(error?.errorName),
    });
    const records = (await member.poll())!;
    for (const record of records) {
      assert.equal(record.deliveryCount, 1);
      record[record.text as 'accept' | 'release' | 'reject']();
    }
    await member.commit();
    const again = (await member.poll())!;
    assert.deepEqual(
      again.map(({ text, deliveryCount }) => [text, deliveryCount]),
      [['release', 2]],
    );
    again[0]!.accept();
    await member.commit();
    assert.ok(results.length > 0 && results.every((error) => error === undefined), results.join());
    assert.equal(await member.poll({ timeoutMs: 1_000 }), undefined);
  },
);

test(
  'a lock is renewed for as long as it takes, and one that ends makes its record come again',
  { skip },
  async () => {
    const consumer = await stage('locks', ['long', 'lost']);
    await using member = consumer({ acknowledgement: 'explicit' });
    const [long, lost] = (await member.poll())!;
    assert.ok(long!.lockRestMs > LOCK_MS / 2 && long!.lockRestMs <= LOCK_MS, `${long!.lockRestMs} ms`);
    for (let n = 0; n < 3; n++) {
      await new Promise((resolve) => setTimeout(resolve, LOCK_MS * 0.6));
      await long!.renew();
    }
    long!.accept();
    await member.commit();
    assert.equal(lost!.lockRestMs, 0);
    await assert.rejects(lost!.renew(), (error) => isKafkaError(error, 'ACQUISITION_LOST'));
    const [again, ...rest] = (await member.poll({ timeoutMs: 10_000 }))!;
    assert.deepEqual([again!.text, again!.deliveryCount, rest.length], ['lost', 2, 0]);
    again!.accept();
  },
);

test(
  'a consumer that is closed gives back what it had at once, and what it has accepted stays so',
  { skip },
  async () => {
    const consumer = await stage('given-back', numbered(10));
    const group = { type: 'group', name: 'given-back' } as const;
    await admin.alterConfigs(group, { 'share.record.lock.duration.ms': '60000' });
    const first = consumer();
    for await (const { text } of first) if (text === '3') break;
    await first.close();
    await using second = consumer();
    const seen: string[] = [];
    for await (const { text, deliveryCount } of second) {
      seen.push(text!);
      if (text === '3') assert.equal(deliveryCount, 2);
      if (seen.length === 7) break;
    }
    assert.deepEqual(seen.sort(), numbered(10).slice(3));
  },
);

test(
  'markers of transactions are acknowledged without being seen, and aborted records are not handed out',
  { skip },
  async () => {
    const consumer = await stage('transactions', ['before']);
    await admin.alterConfigs(
      { type: 'group', name: 'transactions' },
      { 'share.isolation.level': 'read_committed' },
    );
    await using transactional = client.transactionalProducer({ transactionalId: 'share' });
    for (const [value, isKept] of [
      ['lost', false],
      ['kept', true],
    ] as const) {
      const transaction = await transactional.begin();
      await transaction.send({ topic: 'transactions', partition: 0, value });
      await (isKept ? transaction.commit() : transaction.abort());
    }
    await producer.send({ topic: 'transactions', partition: 0, value: 'after' });
    await using member = consumer();
    const seen: string[] = [];
    for await (const { text } of member) {
      seen.push(text!);
      if (text === 'after') break;
    }
    assert.deepEqual(seen, ['before', 'kept', 'after']);
  },
);

test('an administrator sees a share group, and moves it while nobody is in it', { skip }, async () => {
  const consumer = await stage('administered', numbered(10));
  const member = consumer({ recordsMax: 4, limit: 'record' });
  const records = (await member.poll())!;
  for (const record of records) record.accept();
  await member.commit();
  const { type, state, members } = await admin.describeGroup('administered');
  assert.deepEqual([type, state, members.length], ['share', 'Stable', 1]);
  assert.deepEqual(members[0]!.partitions, [{ topic: 'administered', partition: 0 }]);
  // Where it begins is written from time to time; what is left is counted.
  const [before] = await admin.shareGroupOffsets('administered');
  assert.deepEqual([before!.lag, before!.startOffset <= 4], [6, true]);
  const program = join(import.meta.dirname, '..', '..', 'bin', 'headrace.ts');
  const groups = async (...words: string[]): Promise<string> => {
    const all = [program, 'groups', ...words, '-b', target.bootstrap];
    return (await promisify(execFile)(process.execPath, all)).stdout;
  };
  assert.match(
    await groups('describe', 'administered'),
    /^administered: Stable \(share, \w+\), 1 member, lag 6\n/,
  );
  const back = [{ topic: 'administered', partition: 0, offset: 2 }];
  await assert.rejects(admin.alterShareGroupOffsets('administered', back), { errorName: 'NON_EMPTY_GROUP' });
  await member.close();
  await admin.alterShareGroupOffsets('administered', back);
  assert.deepEqual(
    (await admin.shareGroupOffsets('administered')).map(({ startOffset }) => startOffset),
    [2],
  );
  await using again = consumer();
  const [first] = (await again.poll())!;
  assert.deepEqual([first!.text, first!.deliveryCount], ['2', 1]);
  await again.close();
  const reset = ['reset-offsets', 'administered', '--all-topics', '--to-offset', '5'];
  assert.match(await groups(...reset, '--apply'), /administered +0 +2 +5 +5\n/);
  assert.deepEqual(
    (await admin.shareGroupOffsets('administered')).map(({ startOffset }) => startOffset),
    [5],
  );
  await admin.deleteShareGroupOffsets({ group: 'administered', topics: ['administered'] });
  assert.deepEqual(await admin.shareGroupOffsets('administered'), []);
  await admin.deleteGroup('administered');
  await assert.rejects(admin.describeGroup('administered'), { errorName: 'GROUP_ID_NOT_FOUND' });
});

test('a broker that is killed and started again costs nothing but a second delivery', { skip }, async () => {
  const values = numbered(300);
  const consumer = await stage('killed', values, 3);
  await using member = consumer({ recordsMax: 20 });
  const seen = new Set<string>();
  const run = member.run({
    concurrency: 5,
    async onRecord({ text }) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.add(text!);
    },
  });
  await until('some are seen', () => seen.size > 50);
  await target.kill();
  await target.restart();
  await until('all are seen', () => seen.size === values.length, { timeoutMs: 30_000 });
  await member.close();
  await run;
});
