import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { ClientCore } from '../core.ts';
import { settingsOf } from '../options.ts';
import { TestCluster } from '../test-cluster.ts';

const METADATA = 3;

function start(brokerCount = 2, bootstrap = 'b0:9092,b1:9092'): { cluster: TestCluster; core: ClientCore } {
  const cluster = new TestCluster({ brokerCount });
  cluster.topic('t', [0, 1]);
  const core = new ClientCore(cluster.clientPorts(), settingsOf({ bootstrap }));
  core.metadata.want('t', { mayCreate: false });
  return { cluster, core };
}

test('questions that come together are one', async () => {
  const { cluster, core } = start();
  const all = Promise.all([core.metadata.topic('t'), core.metadata.topic('t'), core.metadata.refresh()]);
  const [topic] = await cluster.settle(all);
  assert.deepEqual(
    topic.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch]),
    [
      [0, 5],
      [1, 5],
    ],
  );
  assert.equal(cluster.requests(METADATA).length, 1);
  assert.equal(core.clusterId, 'test');
});

test('a broker that lags behind does not take back what another has said (KIP-320)', async () => {
  const { cluster, core } = start();
  const topic = await cluster.settle(core.metadata.topic('t'));
  assert.ok(core.metadata.noteLeader(topic, { partition: 0, leader: 1, leaderEpoch: 7 }));
  assert.ok(!core.metadata.noteLeader(topic, { partition: 0, leader: 0, leaderEpoch: 6 }));
  await cluster.settle(core.metadata.refresh());
  assert.deepEqual([topic.partitions[0]!.leader, topic.partitions[0]!.leaderEpoch], [1, 7]);
  cluster.topics.get('t')!.leaderEpoch = 8;
  await cluster.settle(core.metadata.refresh());
  assert.deepEqual([topic.partitions[0]!.leader, topic.partitions[0]!.leaderEpoch], [0, 8]);
});

test('a topic that is made again is another, whatever its epochs', async () => {
  const { cluster, core } = start();
  const before = await cluster.settle(core.metadata.topic('t'));
  cluster.topics.set('t', { id: 'another topic id', leaders: [1], leaderEpoch: 0 });
  await cluster.settle(core.metadata.refresh());
  const after = core.metadata.view.get('t')!;
  assert.ok(!before.isCurrent && after.isCurrent);
  assert.deepEqual(
    after.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch]),
    [[1, 0]],
  );
  assert.equal(core.metadata.view.byId(before.id), undefined);
  cluster.topics.delete('t');
  await cluster.settle(core.metadata.refresh());
  assert.equal(core.metadata.view.get('t'), undefined);
});

test('what may not be seen is told at once; what is not there, after its time', async () => {
  const { cluster, core } = start();
  const known = cluster.handlers.get(METADATA)!;
  const before = cluster.time.nowMs();
  await assert.rejects(cluster.settle(core.metadata.topic('nowhere')), {
    errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
  });
  assert.ok(cluster.time.nowMs() - before >= 10_000);
  cluster.handlers.set(METADATA, async (asked) => {
    const answer = (await known(asked)) as { topics: { name: string; errorCode: number }[] };
    for (const topic of answer.topics) topic.errorCode = Errors.TOPIC_AUTHORIZATION_FAILED;
    return answer;
  });
  core.metadata.want('secret', { mayCreate: false });
  const asked = cluster.time.nowMs();
  await assert.rejects(cluster.settle(core.metadata.topic('secret')), {
    errorName: 'TOPIC_AUTHORIZATION_FAILED',
  });
  assert.ok(cluster.time.nowMs() - asked < 1_000);
});

test('with all known brokers gone the cluster is looked for where it was first (KIP-899)', async () => {
  const { cluster, core } = start();
  const all = cluster.handlers.get(METADATA)!;
  let alive = 0;
  cluster.handlers.set(METADATA, async (asked) => {
    const answer = (await all(asked)) as { brokers: { nodeId: number }[] };
    return { ...answer, brokers: answer.brokers.filter(({ nodeId }) => nodeId === alive) };
  });
  await cluster.settle(core.metadata.topic('t'));
  assert.deepEqual(core.brokers.nodeIds, [0]);
  cluster.wires.down('b0', { powerCut: false });
  alive = 1;
  await cluster.settle(core.metadata.refresh());
  assert.deepEqual(core.brokers.nodeIds, [1]);
});

test('a broker that wants it has the client begin again (KIP-1102)', async () => {
  const { cluster, core } = start();
  const all = cluster.handlers.get(METADATA)!;
  await cluster.settle(core.metadata.topic('t'));
  let isForeign = true;
  cluster.handlers.set(METADATA, async (asked) => {
    const answer = (await all(asked)) as object;
    if (!isForeign) return answer;
    isForeign = false;
    return { ...answer, brokers: [], topics: [], errorCode: Errors.REBOOTSTRAP_REQUIRED };
  });
  const before = cluster.requests(18).length;
  await cluster.settle(core.metadata.refresh());
  assert.deepEqual(core.brokers.nodeIds, [0, 1]);
  assert.ok(cluster.requests(18).length > before, 'it has connected anew');
});

test('the picture is renewed when it is old, and not after the close', async () => {
  const { cluster, core } = start();
  await cluster.settle(core.metadata.topic('t'));
  await cluster.time.advance(11 * 60_000);
  assert.equal(cluster.requests(METADATA).length, 3);
  const waiting = core.metadata.topic('nowhere');
  const refused = assert.rejects(waiting, { errorName: 'CLOSED' });
  core.close();
  await cluster.settle(refused);
  await cluster.time.advance(60 * 60_000);
  assert.equal(cluster.time.pendingEvents(), 0);
  await assert.rejects(core.metadata.refresh(), { errorName: 'CLOSED' });
});
