// Faults on demand, as clients meet them: our own, and one that knows nothing of us.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { Headrace } from './headrace.ts';

test('an error is answered as often as was said, and the client tries again', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const fault = headrace.faults.fail('Produce', 'NOT_LEADER_OR_FOLLOWER', { times: 2 });
  await using producer = headrace.client({ retryBackoffMs: 1 }).producer();
  const { offset } = await producer.send({ topic: 'a', value: 'v' });
  assert.deepEqual([fault.hits, offset], [2, 0]);
  const records = await headrace.records('a');
  assert.deepEqual(
    records.map(({ text }) => text),
    ['v'],
  );
});

test('an error that nothing helps against reaches the caller', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const producer = headrace.client().producer();
  const fault = headrace.faults.fail('Produce', 'TOPIC_AUTHORIZATION_FAILED', { times: Infinity });
  await assert.rejects(producer.send({ topic: 'a', value: 'v' }), {
    errorName: 'TOPIC_AUTHORIZATION_FAILED',
  });
  fault.clear();
  await headrace.client().producer().send({ topic: 'a', value: 'v' });
  assert.equal(fault.hits, 1);
});

test('a fault is for the requests that it is meant for, and for no helper', async () => {
  await using headrace = await Headrace.start();
  const topicsOf = (body: { topics: { name: string }[] }): string[] => body.topics.map(({ name }) => name);
  const fault = headrace.faults.fail('CreateTopics', 'POLICY_VIOLATION', {
    times: Infinity,
    when: ({ body, clientId }) => clientId === 'me' && topicsOf(body).includes('secret'),
  });
  await headrace.createTopic('secret');
  const admin = headrace.client({ clientId: 'me' }).admin();
  await admin.createTopics([{ topic: 'open' }]);
  await assert.rejects(admin.createTopics([{ topic: 'secret' }]), { errorName: 'POLICY_VIOLATION' });
  assert.equal(fault.hits, 1);
});

test('a connection breaks before a request has its effect, or after it', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const before = headrace.faults.disconnect('Produce');
  const producer = headrace.client({ retryBackoffMs: 1 }).producer();
  await producer.send({ topic: 'a', value: 'one' });
  const behind = headrace.faults.disconnect('Produce', { isDone: true });
  await producer.send({ topic: 'a', value: 'two' });
  await producer.send({ topic: 'a', value: 'three' });
  assert.deepEqual([before.hits, behind.hits], [1, 1]);
  const records = await headrace.records('a', { count: 3 });
  assert.deepEqual(
    records.map(({ offset, text }) => `${offset} ${text}`),
    ['0 one', '1 two', '2 three'],
  );
});

test('requests that are held back keep their order', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const fault = headrace.faults.delay('Produce', 50);
  const producer = headrace.client().producer({ lingerMs: 0, batchBytes: 1 });
  const values = Array.from({ length: 20 }, (_, n) => `v${n}`);
  const sent = await Promise.all(values.map((value) => producer.send({ topic: 'a', value })));
  assert.equal(fault.hits, 1);
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    [...values.keys()],
  );
});

test('a client that knows nothing of it meets the same faults', async () => {
  await using headrace = await Headrace.start();
  await headrace.createTopic('a');
  const fault = headrace.faults.fail('Produce', 'NOT_LEADER_OR_FOLLOWER');
  const kafka = new Kafka({
    brokers: [headrace.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 1 },
  });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'a', messages: [{ value: 'v' }] });
  await producer.disconnect();
  assert.equal(fault.hits, 1);
  assert.equal((await headrace.records('a')).length, 1);
});

test('an API or an error that Kafka does not have is refused', async () => {
  await using headrace = await Headrace.start();
  assert.throws(() => headrace.faults.fail('Produces', 'NOT_CONTROLLER'), /Kafka has no API Produces/);
  // @ts-expect-error there is none
  assert.throws(() => headrace.faults.fail('Produce', 'NO_IDEA'), /Kafka has no error NO_IDEA/);
});
