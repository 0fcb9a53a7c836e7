// Tests that need the Java client: every assignor, static members, the consumer protocol, consumer controls, the admin
// surface and transactions. It is the client whose expectations define the protocol.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JoinOptions, Member } from './peer.ts';
import { joinMember, type ProcessPeer } from './process-peer.ts';
import { largeRecord, textRecords } from './scenario.ts';
import { advertised, featuresFor, type Serves } from './served.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

export function javaExtras({
  skip,
  serves,
  start,
}: {
  skip?: string | undefined;
  serves: Serves;
  start: (bootstrap: string) => Promise<ProcessPeer>;
}): void {
  describe('Kafka Java client, beyond the common scenario', { skip: skip ?? false }, () => {
    let target: Target;
    let java: ProcessPeer;
    let memberCount = 0;

    before(async () => {
      target = await startTarget();
      java = await start(target.bootstrap);
    });
    after(async () => {
      await java?.close();
      await target?.discard();
    });
    const join = (group: string, topic: string, options: JoinOptions): Promise<Member> => {
      memberCount += 1;
      return joinMember({ call: java.call, member: `extra-${memberCount}`, group, topic, ...options });
    };
    const eventsOf = async (member: string): Promise<string[]> =>
      (await java.call('member', { member })).events;

    test('a static member that comes back at once keeps its partitions, and nobody rebalances', async () => {
      await java.createTopic('static', 4, {});
      const first = await join('statics', 'static', { instance: 'one' });
      await until('the first holds all', async () => (await first.assignment()).length === 4);
      const firstMember = `extra-${memberCount}`;
      const second = await join('statics', 'static', { instance: 'two' });
      await until(
        'both hold two',
        async () => (await first.assignment()).length === 2 && (await second.assignment()).length === 2,
      );
      const held = await second.assignment();
      const eventsBefore = await eventsOf(firstMember);
      await second.leave();
      const again = await join('statics', 'static', { instance: 'two' });
      await until(
        'it holds its partitions again',
        async () => String(await again.assignment()) === String(held),
      );
      assert.deepEqual(await eventsOf(firstMember), eventsBefore);
      const group = await java.call('group', { group: 'statics' });
      assert.equal(group.state, 'Stable');
      assert.deepEqual(group.members.map((member: { instance: string }) => member.instance).sort(), [
        'one',
        'two',
      ]);
      await first.leave();
      await again.leave();
    });

    test('a paused partition stays silent until it is resumed', async () => {
      await java.createTopic('paused', 2, {});
      for (const partition of [0, 1])
        await java.produce('paused', textRecords({ partition, count: 200, prefix: 'p' }));
      assert.deepEqual(await java.call('pauseAndResume', { topic: 'paused', count: 200 }), {
        before: { 0: 0, 1: 200 },
        after: { 0: 200, 1: 0 },
      });
    });

    test('a batch near max.message.bytes is taken, one above is refused with RecordTooLargeException', async () => {
      await java.createTopic('large', 1, {});
      await java.produce('large', [largeRecord(1_048_400, 7)]);
      await assert.rejects(java.produce('large', [largeRecord(1_048_600, 8)]), /RecordTooLargeException/);
      const [read] = await java.read('large', 0, 'earliest', 1);
      assert.equal(read!.value!.length, 1_048_400);
    });

    if (serves('transactions', 'Java client, transactions')) {
      test('transactions: read_committed sees what was committed and nothing that was aborted', async () => {
        await java.createTopic('transactional', 1, {});
        const seen = await java.call('transactions', {
          topic: 'transactional',
          partition: 0,
          transactionalId: 'tx-1',
        });
        assert.deepEqual(seen, ['committed-1', 'committed-2']);
      });
    }

    if (serves('share groups', 'Java client, a share group')) {
      test('a share group gets each record once, and those it releases again', async () => {
        await java.createTopic('queue', 1, {});
        const earliest = {
          kind: 'GROUP',
          resource: 'workers',
          name: 'share.auto.offset.reset',
          value: 'earliest',
        };
        await java.call('changeConfig', { ...earliest, operation: 'SET' });
        await java.produce('queue', textRecords({ count: 20, prefix: 'job' }));
        assert.deepEqual(await java.call('share', { topic: 'queue', group: 'workers', count: 20 }), {
          open: 0,
          distinct: 20,
          again: { 'job-7': 2, 'job-17': 2 },
        });
      });
    }

    test('configs are described with source, changed, appended to, subtracted from and reset', async () => {
      await java.createTopic('changed', 1, { 'cleanup.policy': 'delete' });
      const about = { kind: 'TOPIC', resource: 'changed' };
      const change = (name: string, operation: string, value: string): Promise<void> =>
        java.call('changeConfig', { ...about, name, operation, value });
      const value = async (name: string): Promise<string> => {
        const entry = await java.call('describeConfig', { ...about, name });
        return `${entry.value} ${entry.source}`;
      };
      assert.equal(await value('retention.ms'), '604800000 DEFAULT_CONFIG');
      await change('cleanup.policy', 'APPEND', 'compact');
      await until('compact is appended', async () =>
        (await value('cleanup.policy')).startsWith('delete,compact'),
      );
      await change('cleanup.policy', 'SUBTRACT', 'delete');
      await until(
        'delete is subtracted',
        async () => (await value('cleanup.policy')) === 'compact DYNAMIC_TOPIC_CONFIG',
      );
      await change('cleanup.policy', 'DELETE', '');
      await until(
        'the default is back',
        async () => (await value('cleanup.policy')) === 'delete DEFAULT_CONFIG',
      );
      await assert.rejects(change('no.such.config', 'SET', '1'), /InvalidConfigurationException/);
      await assert.rejects(change('retention.ms', 'SET', 'soon'), /InvalidConfigurationException/);
    });

    test('a broker is described with all its configs, and a dynamic one can be set and reset', async () => {
      const configs = await java.call('brokerConfigs', { broker: '1' });
      assert.ok(Object.keys(configs).length > 200, `${Object.keys(configs).length} configs`);
      const about = { kind: 'BROKER', resource: '', name: 'log.cleaner.backoff.ms' };
      await java.call('changeConfig', { ...about, operation: 'SET', value: '16000' });
      const described = { kind: 'BROKER', resource: '1', name: 'log.cleaner.backoff.ms' };
      await until('the value is described', async () => {
        const entry = await java.call('describeConfig', described);
        return entry.value === '16000' && entry.source === 'DYNAMIC_DEFAULT_BROKER_CONFIG';
      });
      await java.call('changeConfig', { ...about, operation: 'DELETE', value: '' });
      await until(
        'the default is back',
        async () => (await java.call('describeConfig', described)).value === '15000',
      );
    });

    test('partitions are added, never taken away', async () => {
      await java.createTopic('grown', 2, {});
      await java.call('createPartitions', { topic: 'grown', count: 5 });
      await until('five partitions are described', async () => (await java.partitionCount('grown')) === 5);
      await assert.rejects(
        java.call('createPartitions', { topic: 'grown', count: 3 }),
        /InvalidPartitionsException/,
      );
      await java.produce('grown', textRecords({ partition: 4, count: 3, prefix: 'new' }));
      assert.equal((await java.read('grown', 4, 'earliest', 3)).length, 3);
    });

    test('offsets are listed by every special time, and deleted records are gone', async () => {
      await java.createTopic('listed', 1, {});
      const records = textRecords({ count: 10, prefix: 'l' });
      records[4]!.timestamp = records[9]!.timestamp + 5_000;
      await java.produce('listed', records);
      const ask = (): Promise<unknown> =>
        java.call('listOffsets', { topic: 'listed', partition: 0, timestamp: records[7]!.timestamp });
      const latest = records[4]!.timestamp;
      assert.deepEqual(await ask(), {
        earliest: [0, -1],
        latest: [10, -1],
        maxTimestamp: [4, latest],
        earliestLocal: [0, -1],
        latestTiered: [-1, -1],
        earliestPendingUpload: [-1, -1],
        timestamp: [4, latest],
      });
      assert.equal(await java.call('deleteRecords', { topic: 'listed', partition: 0, offset: 6 }), 6);
      assert.deepEqual(await ask(), {
        earliest: [6, -1],
        latest: [10, -1],
        // the batch that holds the largest timestamp still lies in the log, so its record is named
        maxTimestamp: [4, latest],
        earliestLocal: [6, -1],
        latestTiered: [-1, -1],
        earliestPendingUpload: [-1, -1],
        timestamp: [7, records[7]!.timestamp],
      });
      assert.deepEqual(
        (await java.read('listed', 0, 'earliest', 4)).map((record) => record.offset),
        [6, 7, 8, 9],
      );
      await assert.rejects(
        java.call('deleteRecords', { topic: 'listed', partition: 0, offset: 11 }),
        /OffsetOutOfRangeException/,
      );
      await java.produce('listed', textRecords({ count: 1, prefix: 'after' }));
      assert.equal((await java.read('listed', 0, 10, 1))[0]!.offset, 10);
    });

    test('groups are listed, described, their offsets altered and deleted, and they are deleted', async () => {
      await java.createTopic('grouped', 2, {});
      const member = await join('admin-group', 'grouped', {});
      await until('the group is stable', async () => (await member.assignment()).length === 2);
      const described = await java.call('group', { group: 'admin-group' });
      assert.deepEqual(
        { ...described, members: described.members.length },
        {
          state: 'Stable',
          type: 'Classic',
          assignor: 'range',
          members: 1,
          coordinator: 1,
        },
      );
      assert.equal((await java.call('groups', {}))['admin-group'], 'Classic Stable');
      await assert.rejects(java.call('deleteGroup', { group: 'admin-group' }), /GroupNotEmptyException/);
      await member.leave();
      await java.call('alterGroupOffsets', {
        group: 'admin-group',
        topic: 'grouped',
        partition: 1,
        offset: 42,
      });
      assert.deepEqual(await java.committed('admin-group', 'grouped'), [
        { partition: 1, offset: 42, metadata: 'altered' },
      ]);
      await java.call('deleteGroupOffsets', { group: 'admin-group', topic: 'grouped', partition: 1 });
      assert.deepEqual(await java.committed('admin-group', 'grouped'), []);
      await java.call('alterGroupOffsets', {
        group: 'admin-group',
        topic: 'grouped',
        partition: 0,
        offset: 1,
      });
      await java.call('deleteGroup', { group: 'admin-group' });
      assert.equal((await java.call('groups', {}))['admin-group'], undefined);
      await assert.rejects(java.call('group', { group: 'admin-group' }), /GroupIdNotFoundException/);
    });

    test('idempotent producers are described with their last sequence', async () => {
      await java.createTopic('producers', 1, {});
      await java.produce('producers', textRecords({ count: 3, prefix: 'a' }), { compression: 'zstd' });
      const [producer] = await java.call('producers', { topic: 'producers', partition: 0 });
      assert.equal(producer.epoch, 0);
      assert.equal(producer.sequence, 2);
    });

    test('log directories name each replica with its size', async () => {
      await java.createTopic('sized', 1, {});
      await java.produce('sized', [largeRecord(100_000, 1)]);
      const directories: Record<string, Record<string, number>> = await java.call('logDirs', { broker: 1 });
      const [path, sizes] = Object.entries(directories)[0]!;
      assert.ok(sizes['sized-0']! > 100_000, `${sizes['sized-0']} bytes in ${path}`);
      const move = { topic: 'sized', partition: 0, broker: 1 };
      await java.call('alterReplicaLogDirs', { ...move, directory: path });
      await assert.rejects(
        java.call('alterReplicaLogDirs', { ...move, directory: '/no/such/directory' }),
        /LogDirNotFoundException/,
      );
    });

    test('cluster, features and quorum are described', async () => {
      const cluster = await java.call('cluster', {});
      assert.deepEqual([cluster.nodes, cluster.controller], [[1], 1]);
      assert.ok(cluster.id.length > 0);
      const features = await java.call('features', {});
      const { apis } = await advertised(target.bootstrap);
      for (const [name, level] of featuresFor(apis)) assert.ok(features.finalized[name] >= level, name);
      assert.ok(features.finalized['metadata.version'] >= 1);
      const quorum = await java.call('quorum', {});
      assert.deepEqual([quorum.leader, quorum.voters], [1, [1]]);
    });
  });
}
