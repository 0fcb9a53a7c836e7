// What the client publishes, and what users put between.
import assert from 'node:assert/strict';
import {
  subscribe,
  tracingChannel,
  unsubscribe,
  type TracingChannelSubscribers,
} from 'node:diagnostics_channel';
import { test } from 'node:test';
import type { ProcessMessage, SendMessage } from '../client.ts';
import { scene } from '../test-scene.ts';

test('sends, requests, batches and handlers are published with the names of OpenTelemetry', async () => {
  const { world, admin, client, settle, end } = await scene();
  await admin.createTopic('t');
  const events: string[] = [];
  const sends: SendMessage[] = [];
  const handled: ProcessMessage[] = [];
  const received: { attributes: Record<string, unknown> }[] = [];
  const requests: Record<string, unknown>[] = [];
  const onSend = {
    start(message: SendMessage) {
      sends.push(message);
      // As a tracer would: the context goes with the record.
      message.records = message.records.map((one) => ({ ...one, headers: { traceparent: '00-1-2-01' } }));
    },
    asyncEnd: () => void events.push('sent'),
    error: ({ error }: { error?: unknown }) => void events.push(`failed ${(error as Error).message}`),
  };
  const onProcess = {
    start: (message: ProcessMessage) => void handled.push(message),
    asyncEnd: () => void events.push('handled'),
  };
  const onRequest = {
    start: ({ attributes }: { attributes: Record<string, unknown> }) => void requests.push(attributes),
  };
  const onReceive = (message: unknown): void => void received.push(message as (typeof received)[number]);
  const channels = [
    ['headrace.producer.send', onSend],
    ['headrace.consumer.process', onProcess],
    ['headrace.client.request', onRequest],
  ] as unknown as [string, TracingChannelSubscribers<object>][];
  for (const [name, listener] of channels) tracingChannel(name).subscribe(listener);
  subscribe('headrace.consumer.receive', onReceive);
  const headers: string[] = [];
  try {
    const producer = client.producer();
    await settle(producer.send({ topic: 't', key: 'k', value: 'v', partition: 0 }));
    await settle(producer.sendAll([{ topic: 't', value: null }]));
    await settle(producer.send({ topic: 't', partition: 9, value: 'v' }).catch(() => {}));
    const consumer = client.consumer({ group: 'g', assign: [{ topic: 't' }], from: 'earliest' });
    const run = consumer.run({
      onRecord: (record) =>
        void headers.push(...record.headers.map(({ key, value }) => `${key}=${value?.toString()}`)),
    });
    assert.ok(await world.ports.time.runUntil(() => handled.length === 2, 10_000));
    await settle(consumer.close());
    await settle(run);
  } finally {
    for (const [name, listener] of channels) tracingChannel(name).unsubscribe(listener);
    unsubscribe('headrace.consumer.receive', onReceive);
  }
  assert.deepEqual(sends[0]!.attributes, {
    'messaging.system': 'kafka',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.client.id': 'headrace',
    'messaging.destination.name': 't',
    'messaging.kafka.message.key': 'k',
    'messaging.destination.partition.id': '0',
  });
  assert.equal(sends[1]!.attributes['messaging.kafka.message.tombstone'], true);
  assert.deepEqual(handled[0]!.attributes, {
    'messaging.system': 'kafka',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.client.id': 'headrace',
    'messaging.destination.name': 't',
    'messaging.destination.partition.id': '0',
    'messaging.consumer.group.name': 'g',
    'messaging.kafka.offset': 0,
    'messaging.kafka.message.key': 'k',
  });
  assert.deepEqual(headers, ['traceparent=00-1-2-01', 'traceparent=00-1-2-01']);
  assert.deepEqual(
    received.map(({ attributes }) => attributes['messaging.batch.message_count']),
    [1, 1],
  );
  assert.ok(requests.some((one) => one['rpc.method'] === 'Produce' && one['server.address'] === 'broker'));
  assert.equal(events.filter((one) => one === 'handled').length, 2);
  assert.equal(events.filter((one) => one === 'sent').length, 3);
  assert.match(
    events.find((one) => one.startsWith('failed'))!,
    /none is 9/,
  );
  await end();
});

test('interceptors change what is sent, in their order, and hear of each batch once', async () => {
  const { admin, client, settle, end } = await scene();
  await admin.createTopic('t');
  const heard: string[] = [];
  const interceptor = (name: string) => ({
    onSend: (record: { topic: string; value: unknown }) => {
      if (record.value === 'bad') throw new Error('not this one');
      return { topic: record.topic, value: `${String(record.value)}${name}` };
    },
    onAcknowledged: ({ baseOffset, count }: { baseOffset: number; count: number }) =>
      void heard.push(`${name} ${baseOffset}+${count}`),
    onFailed: ({ count }: { count: number }, error: Error) =>
      void heard.push(`${name} -${count} ${error.name}`),
  });
  const producer = client.producer({ interceptors: [interceptor('a'), interceptor('b')] });
  await settle(producer.send({ topic: 't', value: '1' }));
  await settle(
    producer.sendAll([
      { topic: 't', value: '2' },
      { topic: 't', value: '3' },
    ]),
  );
  producer.write({ topic: 't', value: '4' });
  await settle(producer.flush());
  await assert.rejects(settle(producer.send({ topic: 't', value: 'bad' })), /not this one/);
  await assert.rejects(settle(producer.sendAll([{ topic: 't', value: 'bad' }])), /not this one/);
  assert.throws(() => producer.write({ topic: 't', value: 'bad' }), /not this one/);
  assert.deepEqual(heard, ['a 0+1', 'b 0+1', 'a 1+2', 'b 1+2', 'a 3+1', 'b 3+1']);
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  const seen: (string | null)[] = [];
  while (seen.length < 4) for (const { text } of (await settle(consumer.poll()))!) seen.push(text);
  assert.deepEqual(seen, ['1ab', '2ab', '3ab', '4ab']);
  const { sentRecords, sentBatches, requests, failedRecords } = producer.metrics();
  assert.deepEqual([sentRecords, sentBatches, requests, failedRecords], [4, 3, 3, 0]);
  await end();
});
