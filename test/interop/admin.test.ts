// Our own administrator against both brokers: the same questions have the same answers, and what Headrace does not serve yet
// (ACLs, quotas, groups of the new kinds) Kafka answers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { WireClient } from '../../bench/wire-client.ts';
import { AdminError, Client, type Admin } from '../../src/client/client.ts';
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from '../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse,
} from '../../src/protocol/messages/76-share-group-heartbeat.ts';
import { obtain } from './peer.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

const SETTINGS = { 'num.partitions': '1', 'auto.create.topics.enable': 'false' };
/** Everybody may do everything: the rules are only kept. */
const KAFKA_SETTINGS = {
  ...SETTINGS,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};
const MEMBER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

const kafka = await obtain(installKafkaTools);

for (const broker of ['headrace', 'kafka'] as const) {
  const skip = broker === 'kafka' ? (kafka.skip ?? false) : false;
  describe(`an administrator of ${broker}`, { skip }, () => {
    let target: Target;
    let client: Client;
    let admin: Admin;

    before(async () => {
      target = await startTarget({ broker, settings: broker === 'kafka' ? KAFKA_SETTINGS : SETTINGS });
      client = new Client({ bootstrap: target.bootstrap });
      admin = client.admin();
      await until('there is a broker', async () => (await admin.describeCluster()).brokers.length === 1, {
        timeoutMs: 30_000,
        intervalMs: 100,
      });
    });
    after(async () => {
      await client?.close();
      await target?.discard();
    });

    const failuresOf = async (promise: Promise<unknown>): Promise<[string, string][]> => {
      const error = await promise.then(
        () => assert.fail('nothing has failed'),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof AdminError, String(error));
      return error.failures.map((one) => [one.item, one.error.errorName]);
    };

    /** A broker of Kafka's hears of what its controller has decided a moment after the answer; ours has it by then. */
    const becomes = async (read: () => Promise<unknown>, expected: unknown): Promise<void> => {
      const endMs = performance.now() + (broker === 'kafka' ? 10_000 : 0);
      for (;;) {
        const found = await read();
        if (isDeepStrictEqual(found, expected) || performance.now() >= endMs)
          return assert.deepEqual(found, expected);
        await delay(50);
      }
    };

    test('topics, partitions and records', async () => {
      const made = await admin.createTopics([
        { topic: 'a', partitions: 2, configs: { 'retention.ms': '-1' } },
      ]);
      const topicId = made[0]!.topicId!;
      assert.deepEqual([made[0]!.partitions, made[0]!.replicationFactor], [2, 1]);
      assert.deepEqual(
        await failuresOf(admin.createTopics([{ topic: 'a' }, { topic: 'b' }, { topic: '' }])),
        [
          ['a', 'TOPIC_ALREADY_EXISTS'],
          ['', 'INVALID_TOPIC_EXCEPTION'],
        ],
      );
      await admin.createPartitions([
        { topic: 'a', count: 3 },
        { topic: 'b', count: 2 },
      ]);
      const shapes = async () =>
        (await admin.describeTopics([{ topicId }])).map((one) => [one.topic, one.partitions.length]);
      await becomes(shapes, [['a', 3]]);
      await using producer = client.producer();
      const records = [1000, 3000, 2000].map((timestamp) => ({
        topic: 'a',
        partition: 2,
        value: 'v',
        timestamp,
      }));
      for (const record of records) await producer.send(record);
      const at = { topic: 'a', partition: 2 };
      const specs = [
        'earliest',
        'latest',
        'max-timestamp',
        { timestamp: 1500 },
        { timestamp: 9000 },
      ] as const;
      const found = await Promise.all(
        specs.map(async (spec) => (await admin.listOffsets([{ ...at, at: spec }]))[0]!),
      );
      assert.deepEqual(
        found.map(({ offset, timestamp }) => [offset, timestamp]),
        [
          [0, -1],
          [3, -1],
          [1, 3000],
          [1, 3000],
          [-1, -1],
        ],
      );
      assert.deepEqual(
        await failuresOf(
          admin.deleteRecords([
            { ...at, offset: 2 },
            { ...at, partition: 0, offset: 9 },
          ]),
        ),
        [['a-0', 'OFFSET_OUT_OF_RANGE']],
      );
      assert.equal((await admin.listOffsets([{ ...at, at: 'earliest' }]))[0]!.offset, 2);
      await admin.deleteTopics(['b']);
      assert.deepEqual(await failuresOf(admin.deleteTopics(['b'])), [['b', 'UNKNOWN_TOPIC_OR_PARTITION']]);
      await becomes(() => admin.listTopics(), ['a']);
    });

    test('settings', async () => {
      const [topic, own, all] = [
        { type: 'topic', name: 'a' } as const,
        { type: 'broker', name: '1' } as const,
        { type: 'broker', name: '' } as const,
      ];
      await admin.alterConfigsOf([
        { resource: topic, changes: { 'retention.ms': '5000', 'cleanup.policy': { append: 'compact' } } },
        { resource: own, changes: { 'log.cleaner.threads': '2' } },
        { resource: all, changes: { 'message.max.bytes': '2000000' } },
      ]);
      const valuesOf = async (): Promise<unknown[]> => {
        const names = ['retention.ms', 'cleanup.policy', 'log.cleaner.threads', 'message.max.bytes'];
        const described = await admin.describeConfigsOf([topic, own], { names });
        return described.flatMap(({ entries }) =>
          entries.map(({ name, value, source }) => `${name}=${value} ${source}`).sort(),
        );
      };
      await becomes(valuesOf, [
        'cleanup.policy=delete,compact topic',
        'retention.ms=5000 topic',
        'log.cleaner.threads=2 dynamic-broker',
        'message.max.bytes=2000000 dynamic-default-broker',
      ]);
      const wrong = { resource: topic, changes: { 'retention.ms': 'soon' } };
      assert.deepEqual(await failuresOf(admin.alterConfigsOf([wrong])), [['topic a', 'INVALID_CONFIG']]);
      await becomes(() => admin.listConfigResources({ types: ['topic'] }), [topic]);
    });

    test('groups and their offsets', async () => {
      const at = { topic: 'a', partition: 0 };
      await admin.alterGroupOffsets('g', [{ ...at, offset: 7, metadata: 'm' }]);
      assert.deepEqual(await admin.groupOffsets('g'), [{ ...at, offset: 7, leaderEpoch: -1, metadata: 'm' }]);
      const { type, state, members } = await admin.describeGroup('g');
      assert.deepEqual([type, state, members], ['classic', 'Empty', []]);
      const consumer = client.consumer({ group: 'h', topics: ['a'], instanceId: 'one' });
      await consumer.poll({ timeoutMs: 1_000 });
      assert.deepEqual(
        (await admin.describeGroup('h')).members.map((one) => [one.instanceId, one.partitions.length]),
        [['one', 3]],
      );
      assert.deepEqual(await failuresOf(admin.deleteGroups(['h', 'nobody'])), [
        ['h', 'NON_EMPTY_GROUP'],
        ['nobody', 'GROUP_ID_NOT_FOUND'],
      ]);
      await consumer.close();
      await admin.removeMembers({ group: 'h', members: [{ instanceId: 'one' }] });
      const listed = (await admin.listGroups({ types: ['classic'] })).map((one) => [one.group, one.state]);
      assert.deepEqual(listed, [
        ['g', 'Empty'],
        ['h', 'Empty'],
      ]);
      await admin.deleteGroupOffsets({ group: 'g', partitions: [at] });
      assert.deepEqual(await admin.groupOffsets('g'), []);
      await admin.deleteGroup('h');
      assert.deepEqual(await failuresOf(admin.describeGroups(['h'])), [['h', 'GROUP_ID_NOT_FOUND']]);
    });

    test('log directories, reassignments, elections, features', async () => {
      const [own] = await admin.describeLogDirs({ partitions: [{ topic: 'a', partition: 1 }] });
      const [directory] = own!.directories;
      assert.deepEqual(
        directory!.replicas.map(({ topic, partition, isFuture }) => [topic, partition, isFuture]),
        [['a', 1, false]],
      );
      const at = { topic: 'a', partition: 1 };
      await admin.alterReplicaLogDirs([{ ...at, brokerId: 1, path: directory!.path }]);
      assert.deepEqual(
        await failuresOf(admin.alterReplicaLogDirs([{ ...at, brokerId: 1, path: '/nowhere' }])),
        [['a-1 on broker 1', 'LOG_DIR_NOT_FOUND']],
      );
      assert.deepEqual(await failuresOf(admin.alterReassignments([{ ...at, replicas: [9] }])), [
        ['a-1', 'INVALID_REPLICA_ASSIGNMENT'],
      ]);
      assert.deepEqual(await admin.listReassignments(), []);
      assert.deepEqual(await admin.electLeaders({ partitions: [at] }), [{ ...at, isElected: false }]);
      assert.deepEqual(await admin.electLeaders({ partitions: null }), []);
      const { finalized, supported } = await admin.describeFeatures();
      assert.deepEqual(finalized['transaction.version'], { min: 2, max: 2 });
      assert.deepEqual(supported['transaction.version'], { min: 0, max: 2 });
      const impossible = { feature: 'transaction.version', level: 99 };
      await assert.rejects(admin.updateFeatures([impossible], { validateOnly: true }), {
        errorName: 'INVALID_UPDATE_VERSION',
      });
    });

    test('SCRAM users', async () => {
      const credential = { user: 'ada', mechanism: 'SCRAM-SHA-256' } as const;
      await admin.alterScramUsers([{ ...credential, password: 'secret' }]);
      const users = (): ReturnType<Admin['describeScramUsers']> =>
        admin.describeScramUsers({ users: ['ada'] });
      const { user, mechanism } = credential;
      const known = () => users().catch((error: unknown) => String(error));
      await becomes(known, [{ user, credentials: [{ mechanism, iterations: 4096 }] }]);
      const removals = [credential, { ...credential, user: 'bob' }].map((one) => ({
        ...one,
        password: null,
      }));
      assert.deepEqual(await failuresOf(admin.alterScramUsers(removals)), [['bob', 'RESOURCE_NOT_FOUND']]);
      const failures = () =>
        users().then(
          () => [],
          () => failuresOf(users()),
        );
      await becomes(failures, [['ada', 'RESOURCE_NOT_FOUND']]);
    });

    test('transactions', async () => {
      const at = { topic: 'a', partition: 1 };
      await using producer = client.transactionalProducer({ transactionalId: 'pay' });
      const transaction = await producer.begin();
      await transaction.send({ ...at, key: 'k', value: 'v' });
      const [listed] = await admin.listTransactions({ states: ['Ongoing'] });
      const [described] = await admin.describeTransactions(['pay']);
      assert.deepEqual(
        [listed!.transactionalId, described!.state, described!.producerId, described!.partitions],
        ['pay', 'Ongoing', listed!.producerId, [at]],
      );
      const producers = async () => (await admin.describeProducers([at]))[0]!.producers;
      assert.deepEqual(
        (await producers()).map((one) => [one.producerId, one.transactionStartOffset]),
        [[listed!.producerId, 0]],
      );
      const { producerId, producerEpoch } = (await producers())[0]!;
      await admin.abortTransaction({ ...at, producerId, producerEpoch });
      assert.equal((await producers())[0]!.transactionStartOffset, null);
      await admin.fenceProducers(['pay']);
      await assert.rejects(transaction.commit(), { fatal: true });
      assert.deepEqual(await failuresOf(admin.describeTransactions(['pay', 'nobody'])), [
        ['nobody', 'TRANSACTIONAL_ID_NOT_FOUND'],
      ]);
    });

    if (broker === 'kafka') {
      test('rules of access', async () => {
        const acl = {
          resourceType: 'topic',
          resourceName: 'pay',
          patternType: 'prefixed',
          principal: 'User:ada',
          host: '*',
          operation: 'read',
          permission: 'deny',
        } as const;
        const group = {
          resourceType: 'group',
          resourceName: '*',
          principal: 'User:ada',
          operation: 'all',
        } as const;
        await admin.createAcls([acl, group]);
        const full = { ...group, patternType: 'literal', host: '*', permission: 'allow' } as const;
        const found = async (filter = {}) => {
          const acls = await admin.describeAcls({ principal: 'User:ada', ...filter });
          return acls.sort((a, b) => (a.resourceType < b.resourceType ? 1 : -1));
        };
        await becomes(found, [acl, full]);
        assert.deepEqual(
          await found({ resourceType: 'topic', resourceName: 'payments', patternType: 'match' }),
          [acl],
        );
        const nobody = await failuresOf(admin.createAcls([{ ...acl, principal: 'ada' }, full]));
        assert.deepEqual(nobody, [['deny ada read topic pay', 'INVALID_REQUEST']]);
        assert.deepEqual(await admin.deleteAcls([{ resourceType: 'group' }, { resourceName: 'none' }]), [
          [full],
          [],
        ]);
        await becomes(found, [acl]);
      });

      test('quotas', async () => {
        const [own, byDefault] = [{ user: 'ada', 'client-id': null }, { user: null }];
        await admin.alterQuotas([
          { entity: own, quotas: { producer_byte_rate: 1024, consumer_byte_rate: 2048 } },
          { entity: byDefault, quotas: { request_percentage: 12.5 } },
        ]);
        const found = (filter = {}) => admin.describeQuotas({ entity: { user: 'ada' }, ...filter });
        await becomes(found, [
          { entity: own, quotas: { producer_byte_rate: 1024, consumer_byte_rate: 2048 } },
        ]);
        assert.deepEqual(await found({ strict: true }), []);
        await becomes(
          async () => (await admin.describeQuotas({ entity: { user: { any: true } } })).length,
          2,
        );
        await admin.alterQuotas([
          { entity: own, quotas: { producer_byte_rate: null, consumer_byte_rate: null } },
        ]);
        await becomes(
          () => admin.describeQuotas(),
          [{ entity: byDefault, quotas: { request_percentage: 12.5 } }],
        );
        const nonsense = { entity: own, quotas: { no_such_rate: 1 } };
        assert.equal((await failuresOf(admin.alterQuotas([nonsense])))[0]![1], 'INVALID_REQUEST');
      });

      test('groups of the new kinds, and the settings of groups and client metrics', async () => {
        const [host, port] = target.bootstrap.split(':');
        const wire = await WireClient.connect(host!, Number(port));
        const joining = { memberId: MEMBER_ID, memberEpoch: 0, rackId: 'r', subscribedTopicNames: ['a'] };
        const consumer = {
          ...joining,
          groupId: 'new',
          instanceId: 'one',
          rebalanceTimeoutMs: 10_000,
          subscribedTopicRegex: null,
          serverAssignor: null,
          topicPartitions: [],
        };
        await until(
          'both groups are there',
          async () => {
            const one = await wire.call(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, {
              version: 1,
              body: consumer,
            });
            const two = await wire.call(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, {
              version: 1,
              body: { ...joining, groupId: 'queue' },
            });
            return one.errorCode === 0 && two.errorCode === 0;
          },
          { timeoutMs: 10_000, intervalMs: 100 },
        );
        const [first, second] = await admin.describeGroups(['new', 'queue']);
        for (const [group, type, instanceId] of [
          [first!, 'consumer', 'one'],
          [second!, 'share', null],
        ] as const) {
          const [member] = group.members;
          assert.deepEqual(
            [group.type, group.members.length, member!.memberId, member!.instanceId, member!.rack],
            [type, 1, MEMBER_ID, instanceId, 'r'],
          );
        }
        assert.deepEqual(
          first!.members[0]!.targetPartitions.map(({ partition }) => partition),
          [0, 1, 2],
        );
        wire.close();
        const changes = { 'consumer.session.timeout.ms': '50000' };
        await admin.alterConfigs({ type: 'group', name: 'new' }, changes);
        await admin.alterConfigs({ type: 'client-metrics', name: 'm' }, { 'interval.ms': '60000' });
        const listed = async () => await admin.listConfigResources({ types: ['group', 'client-metrics'] });
        await until('the settings are known', async () => (await listed()).length === 2, {
          timeoutMs: 10_000,
          intervalMs: 50,
        });
        assert.deepEqual((await listed()).map(({ type, name }) => `${type} ${name}`).sort(), [
          'client-metrics m',
          'group new',
        ]);
      });
    }
  });
}
