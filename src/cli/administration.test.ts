/** Settings, brokers, log directories, transactions and moves, as the commands show them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeLogDirs, listBrokers } from './brokers/brokers.ts';
import { changeConfigs, getConfigs, parseResource } from './configs/configs.ts';
import { cancelMoves, listMoves, parseMove, startMoves } from './reassign/reassign.ts';
import { commandScene } from './test-world.ts';
import { createTopic } from './topics/topics.ts';
import { abortTransactions, describeTransactions, listTransactions } from './transactions/transactions.ts';

const CREATE = { configs: {}, ifNotExists: false, dryRun: false };

test('settings are shown, changed, tried and taken back', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', CREATE, world));
  const topic = parseResource('topic/t');
  const get = (names: string[] = []) =>
    scene.run((world) => getConfigs({ resource: topic, names }, { all: false, explain: false }, world));
  assert.match((await get()).text, /all settings are at their defaults/);
  const set = (value: string, dryRun: boolean) =>
    scene.run((world) => changeConfigs(topic, { changes: { 'retention.ms': value }, dryRun }, world));
  assert.match((await set('5000', true)).text, /nothing was changed/);
  assert.match((await get()).text, /at their defaults/);
  assert.equal((await set('5000', false)).text, 'topic t: retention.ms=5000\n');
  assert.match((await get()).text, /retention\.ms +5000 +topic\n/);
  assert.match((await set('soon', false)).failure!.problems[0]!, /INVALID_CONFIG/);
  await scene.run((world) =>
    changeConfigs(topic, { changes: { 'retention.ms': null }, dryRun: false }, world),
  );
  assert.match((await get(['retention.ms'])).text, /retention\.ms +604800000 +default\n/);
  const unknown = await get(['no.such']);
  assert.match(unknown.failure!.problems[0]!, /no\.such: a topic has no such setting/);
  assert.deepEqual(parseResource('broker'), { type: 'broker', name: '' });
  for (const text of ['topic', 'table/x', 'broker/one']) assert.throws(() => parseResource(text));
  await scene.end();
});

test('brokers and log directories are listed', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 2 }, world));
  const brokers = await scene.run(listBrokers);
  assert.match(brokers.text, /^cluster .{22}\n.*\n +1 +broker:19092 +- +controller\n$/);
  const replicas = await scene.run((world) => describeLogDirs({ topics: ['t'], replicas: true }, world));
  assert.equal(replicas.text.match(/ t-\d/g)?.length, 2);
  const [directory] = await scene.data<{ brokerId: number; error: null; replicas: unknown[] }[]>((world) =>
    describeLogDirs({ topics: ['t'], replicas: false }, world),
  );
  assert.deepEqual([directory!.brokerId, directory!.error, directory!.replicas.length], [1, null, 2]);
  await scene.end();
});

test('a transaction that stays open is found and aborted', async () => {
  const scene = await commandScene({ 'transaction.state.log.num.partitions': '1' });
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 1 }, world));
  const client = scene.client();
  const producer = client.transactionalProducer({ transactionalId: 'pay' });
  const transaction = await scene.settle(producer.begin());
  await scene.settle(transaction.send({ topic: 't', value: '1' }));
  const listed = await scene.run((world) => listTransactions({ states: ['Ongoing'] }, world));
  assert.match(listed.text, /pay +Ongoing/);
  const shown = await scene.run((world) => describeTransactions(['pay'], world));
  assert.match(shown.text, /pay +Ongoing .* t-0\n/);
  const unclear = await scene.run((world) => abortTransactions([], {}, world));
  assert.equal(unclear.failure?.exitCode, 2);
  const aborted = await scene.run((world) => abortTransactions(['pay'], {}, world));
  assert.match(aborted.text, /pay: aborted/);
  await scene.pass(1_000);
  const after = await scene.data<{ state: string }[]>((world) => describeTransactions(['pay'], world));
  assert.notEqual(after[0]!.state, 'Ongoing');
  const none = await scene.run((world) => abortTransactions([], { partition: 't:0' }, world));
  assert.match(none.failure!.problems[0]!, /no transaction is open in t-0/);
  await scene.end().catch(() => {});
});

test('a move is asked for, and what makes no sense is refused', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', CREATE, world));
  assert.equal((await scene.run(listMoves)).text, 'nothing moves\n');
  assert.deepEqual(parseMove('a:b:0=3,1'), { topic: 'a:b', partition: 0, replicas: [3, 1] });
  for (const text of ['t:0', 't=1', 't:0=1,1', 't:0=x']) assert.throws(() => parseMove(text));
  const started = await scene.run((world) => startMoves([parseMove('t:0=1')], world));
  assert.match(started.text, /^t-0: to 1\n/);
  const absent = await scene.run((world) => startMoves([parseMove('t:0=9')], world));
  assert.match(absent.failure!.problems[0]!, /INVALID_REPLICA_ASSIGNMENT/);
  const nothing = await scene.run((world) => cancelMoves(['t:0'], world));
  assert.match(nothing.failure!.problems[0]!, /NO_REASSIGNMENT_IN_PROGRESS/);
  await scene.end();
});
