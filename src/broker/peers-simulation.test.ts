/** Requests between brokers while the network between them breaks, at random: each ends once, in time, with its own answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { CONNECT_TIMEOUT_MS, RECONNECT_BACKOFF_MS_MAX } from './peers.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const SEEDS = 30;
const REQUESTS = 120;
const LANES = ['a', 'b', 'c'];
/** A coordinator type that there is not: answered at once, with the key that was asked for. */
const NO_SUCH_TYPE = 9;

function ask(peers: Peers, key: string, options: { timeoutMs: number; lane?: string }): Promise<string> {
  const body = { key: '', keyType: NO_SUCH_TYPE, coordinatorKeys: [key] };
  return peers
    .request(2, { request: FindCoordinatorRequest, response: FindCoordinatorResponse, body, ...options })
    .then(({ coordinators }) => coordinators[0]!.key);
}

async function breakSomething(cluster: TestCluster, random: SimulatedRandom): Promise<void> {
  const { network } = cluster;
  switch (random.integer(6)) {
    case 0:
      network.reset('host1', 'host2');
      return;
    case 1:
      network.block('host1', 'host2');
      return;
    case 2:
      network.block('host2', 'host1');
      return;
    case 3:
      await cluster.restart(2, 'keep');
      return;
    default:
      network.heal();
  }
}

async function run(seed: number): Promise<{ answered: number; failed: number }> {
  const random = new SimulatedRandom(`peers ${seed}`);
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  const counts = { answered: 0, failed: 0 };
  const underWay: Promise<void>[] = [];
  for (let count = 0; count < REQUESTS; count++) {
    const key = `${count} ${'x'.repeat(random.integer(random.chance(0.1) ? 30_000 : 100))}`;
    const timeoutMs = random.between(1, 15_000);
    const lane = LANES[random.integer(LANES.length)]!;
    const sentMs = cluster.time.nowMs();
    const inTime = (): void =>
      assert.ok(cluster.time.nowMs() <= sentMs + timeoutMs + 1, `seed ${seed}: request ${count} is late`);
    underWay.push(
      ask(peers, key, { timeoutMs, lane }).then(
        (answer) => {
          inTime();
          assert.equal(answer, key, `seed ${seed}`);
          counts.answered += 1;
        },
        (error: unknown) => {
          inTime();
          assert.ok(error instanceof PeerUnavailable, `seed ${seed}: ${String(error)}`);
          counts.failed += 1;
        },
      ),
    );
    if (random.chance(0.3)) await cluster.pass(random.integer(random.chance(0.1) ? 12_000 : 100));
    if (random.chance(0.15)) await breakSomething(cluster, random);
  }
  await cluster.settle(Promise.all(underWay));
  // Whatever happened, once the network is whole again so are the lanes.
  cluster.network.heal();
  await cluster.pass(CONNECT_TIMEOUT_MS + 2 * RECONNECT_BACKOFF_MS_MAX);
  for (const lane of LANES) {
    const answer = await cluster.settle(ask(peers, 'last', { timeoutMs: 5_000, lane }));
    assert.equal(answer, 'last', `seed ${seed}`);
  }
  await cluster.stop();
  return counts;
}

test('requests between brokers end once, in time, and with their own answers, whatever the network does', async () => {
  const sum = { answered: 0, failed: 0 };
  for (let seed = 0; seed < SEEDS; seed++) {
    const { answered, failed } = await run(seed);
    assert.equal(answered + failed, REQUESTS, `seed ${seed}`);
    sum.answered += answered;
    sum.failed += failed;
  }
  // The faults were felt, and not the whole of it.
  assert.ok(sum.answered > SEEDS * 20 && sum.failed > SEEDS * 5, JSON.stringify(sum));
});
