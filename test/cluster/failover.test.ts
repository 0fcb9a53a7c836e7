// How soon a cluster of three broker processes takes writes again when one of them goes, as bench/failover.ts and
// bench/rolling-restart.ts measure it at length. Here the times are only bounds that nothing healthy comes near, and no write
// may be given up or lost.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster, BROKERS, type Cluster } from '../../bench/lib/cluster-servers.ts';
import {
  clusterEndOffsets,
  createReplicated,
  electPreferred,
  viewOf,
} from '../../bench/lib/cluster-topics.ts';
import { FAST_FAILOVER } from '../../bench/lib/fast-failover.ts';
import { SteadyWrites } from '../../bench/lib/steady-writes.ts';
import { installEtcd } from '../../scripts/peer-etcd.ts';
import { obtain } from '../interop/peer.ts';
import { until } from '../interop/until.ts';

const TOPIC = 't';
const PARTITIONS = 60;
const LEADER = 1;
const DEFAULT_MS_MAX = 10_000;
const FAST_MS_MAX = 4_000;

const { skip } = await obtain(installEtcd);

async function withWrites(
  t: TestContext,
  settings: Readonly<Record<string, string>>,
  act: (cluster: Cluster, writes: SteadyWrites) => Promise<void>,
): Promise<void> {
  const cluster = await startCluster('headrace', { durability: 'fsync', settings, waitsForDisk: false });
  t.after(() => cluster.discard());
  await createReplicated(cluster, [{ topic: TOPIC, partitions: PARTITIONS, leader: LEADER }]);
  const writes = SteadyWrites.begin(cluster, { topic: TOPIC, partitions: PARTITIONS, intervalMs: 200 });
  await writes.settled();
  await act(cluster, writes);
  await writes.settled();
  const acknowledged = await writes.end();
  assert.deepEqual(writes.failures, []);
  const ends = await clusterEndOffsets(cluster, TOPIC, PARTITIONS);
  for (const [partition, end] of acknowledged.entries()) assert.ok(ends[partition]! >= end, `${partition}`);
  t.diagnostic(`${writes.acknowledged} writes acknowledged`);
}

async function whole(cluster: Cluster): Promise<void> {
  await until('all replicas are in sync', async () => {
    const views = await viewOf(cluster.nodes[1]!.port, TOPIC);
    return views.every(({ isr }) => isr.length === BROKERS);
  });
}

function slowest(resumedMs: readonly number[]): number {
  return Math.round(Math.max(...resumedMs));
}

test(
  'the leader of all partitions is killed, and then each broker restarted in turn: writes go on, and none is given up',
  { skip: skip ?? false },
  (t) =>
    withWrites(t, {}, async (cluster, writes) => {
      writes.mark(LEADER);
      await cluster.node(LEADER).kill();
      const resumedMs = await writes.resumed(DEFAULT_MS_MAX);
      t.diagnostic(`all of ${PARTITIONS} partitions took a write after ${slowest(resumedMs)} ms`);
      writes.mark();
      await cluster.node(LEADER).restart();
      await whole(cluster);
      await electPreferred(cluster, TOPIC);
      writes.takeLatenciesMs();
      for (const { id } of cluster.nodes) {
        await cluster.node(id).stop();
        await cluster.node(id).restart();
        await whole(cluster);
      }
      t.diagnostic(`the slowest write of the restarts took ${slowest(writes.takeLatenciesMs())} ms`);
    }),
);

test(
  'with fast failover writes go on soon after the leader is killed, and after it says nothing any more',
  { skip: skip ?? false },
  (t) =>
    withWrites(t, FAST_FAILOVER, async (cluster, writes) => {
      writes.mark(LEADER);
      await cluster.node(LEADER).kill();
      const killedMs = await writes.resumed(FAST_MS_MAX);
      writes.mark();
      await cluster.node(LEADER).restart();
      await whole(cluster);
      await electPreferred(cluster, TOPIC);
      await delay(500);
      const { pid } = cluster.node(LEADER);
      writes.mark(LEADER);
      process.kill(pid, 'SIGSTOP');
      try {
        const silentMs = await writes.resumed(DEFAULT_MS_MAX);
        t.diagnostic(`killed: ${slowest(killedMs)} ms; silent: ${slowest(silentMs)} ms`);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      writes.mark();
    }),
);
