/** The commands against brokers in simulation: growing, shrinking, stopping half-way, calling back, under a throttle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../../broker/test-client.ts';
import { testCluster, type TestCluster } from '../../broker/test-cluster.ts';
import { ClientCore } from '../../client/core.ts';
import { settingsOf } from '../../client/options.ts';
import { Errors } from '../../protocol/errors.ts';
import { ClusterAdmin } from './cluster-admin.ts';
import { rebalance, type RebalanceFlags, type Terminal } from './rebalance.ts';
import { status } from './status.ts';
import { bytes, duration, parseBytes, table } from '../table.ts';

const CONFIGS = {
  'broker.session.timeout.ms': '6000',
  'replica.lag.time.max.ms': '5000',
  'offsets.topic.num.partitions': '2',
};
const FLAGS: RebalanceFlags = {
  dryRun: false,
  yes: true,
  cancel: false,
  json: false,
  removeBroker: [],
  throttleBytesPerSecond: undefined,
  parallel: 10,
  sampleMs: 0,
};
const PARTITIONS = 12;
const RECORDS = 8;

async function grown(): Promise<TestCluster> {
  const cluster = await testCluster(3, { configs: CONFIGS });
  const topic = { name: 't', numPartitions: PARTITIONS, replicationFactor: 2, assignments: [], configs: [] };
  const own = { ...topic, name: '__consumer_offsets', numPartitions: 2, replicationFactor: 1 };
  const results = await cluster.settle(
    cluster.member(1).broker.services.controller.createTopics([topic, own]),
  );
  for (const { errorCode, errorMessage } of results) assert.equal(errorCode, Errors.NONE, errorMessage ?? '');
  await cluster.pass(200);
  for (const { partition, leader } of imageOf(cluster).topics.get('t')!.partitions) {
    const client = await cluster.connect(leader);
    for (let n = 0; n < RECORDS; n++) {
      const answer = await client.produce('t', batchOf([`${n}`.padEnd(2_000, '.')]), { partition });
      assert.equal(answer.errorCode, Errors.NONE);
    }
  }
  await cluster.start(4);
  await cluster.start(5);
  return cluster;
}

const imageOf = (cluster: TestCluster) => cluster.member(2).broker.services.image;

function held(cluster: TestCluster): number[] {
  return [1, 2, 3, 4, 5].map((id) => {
    const { topics } = imageOf(cluster);
    return [...topics.values()]
      .flatMap((topic) => topic.partitions)
      .filter(({ replicas }) => replicas.includes(id)).length;
  });
}

/** All records of all partitions are at their leaders, and each replica has a log. */
function assertWhole(cluster: TestCluster): void {
  for (const { partition, leader, replicas, isr } of imageOf(cluster).topics.get('t')!.partitions) {
    assert.deepEqual([...isr].sort(), [...replicas].sort());
    assert.equal(replicas.length, 2);
    const services = (id: number) => cluster.member(id).broker.services;
    assert.equal(services(leader).partitions.get('t', partition)!.highWatermark, RECORDS);
    for (const id of replicas) {
      assert.equal(services(id).logDirectories.get({ topic: 't', partition })!.logEndOffset, RECORDS);
    }
  }
}

interface Ran {
  readonly code: number;
  readonly text: string;
  readonly progress: readonly string[];
}

interface RunOptions {
  readonly flags?: Partial<RebalanceFlags>;
  readonly answer?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

function screen(options: RunOptions = {}): { terminal: Terminal; lines: string[]; progress: string[] } {
  const [lines, progress]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    canAsk: options.answer !== undefined,
    write: (text) => void lines.push(text),
    showProgress(line) {
      progress.push(line);
      options.onProgress?.(line);
    },
    ask: () => Promise.resolve(options.answer === true),
  };
  return { terminal, lines, progress };
}

let clients = 0;
function adminOf(cluster: TestCluster): ClusterAdmin {
  const { clock, timers, random, process } = cluster.ports;
  const network = cluster.network.port(`admin${(clients += 1)}`, process);
  return new ClusterAdmin(
    new ClientCore({ clock, timers, random, network }, settingsOf({ bootstrap: 'host2:9092' })),
  );
}

async function run(cluster: TestCluster, options: RunOptions = {}): Promise<Ran> {
  const { terminal, lines, progress } = screen(options);
  const admin = adminOf(cluster);
  const { clock, timers } = cluster.ports;
  const signal = options.signal ?? new AbortController().signal;
  const command = rebalance(
    { ...FLAGS, ...options.flags },
    { admin, terminal, ports: { clock, timers }, signal },
  );
  const code = await cluster.settle(command, 600_000);
  admin.close();
  await cluster.pass(1_500);
  return { code, text: lines.join(''), progress };
}

test('new brokers get their share, internal topics their replicas, and a second run has nothing to do', async () => {
  const cluster = await grown();
  const dry = await run(cluster, { flags: { dryRun: true } });
  assert.equal(dry.code, 0);
  assert.match(dry.text, /partitions to move, [\d.]+ [KM]B to copy/);
  assert.match(dry.text, /broker +rack +replicas +after +leaders +after +size +after/);
  assert.match(dry.text, /__consumer_offsets gets 3 replicas/);
  assert.deepEqual(held(cluster).slice(3), [0, 0]);
  const refused = await run(cluster, { flags: { yes: false }, answer: false });
  assert.deepEqual([refused.code, held(cluster).slice(3)], [3, [0, 0]]);
  const silent = await run(cluster, { flags: { yes: false } });
  assert.match(silent.text, /--yes applies the plan/);

  const { code, text, progress } = await run(cluster, { flags: { yes: false }, answer: true });
  assert.deepEqual([code, /done: \d+ partitions/.test(text)], [0, true], text);
  assert.match(progress.at(-1)!, /^100 %/);
  // 24 replicas of t and 6 of the offsets.
  for (const count of held(cluster)) assert.ok(count >= 5 && count <= 7, held(cluster).join());
  const offsets = imageOf(cluster).topics.get('__consumer_offsets')!.partitions;
  assert.ok(offsets.every(({ replicas }) => replicas.length === 3));
  assertWhole(cluster);
  for (const { partitions } of imageOf(cluster).topics.values()) {
    for (const { leader, replicas } of partitions) assert.equal(leader, replicas[0]);
  }
  const again = await run(cluster);
  assert.match(again.text, /balanced: nothing has to move/);
  await cluster.stop();
});

test('a broker is emptied, then stopped, then forgotten', async () => {
  const cluster = await grown();
  await run(cluster);
  const drained = await run(cluster, { flags: { removeBroker: [4, 5] } });
  assert.deepEqual([drained.code, held(cluster).slice(3)], [0, [0, 0]]);
  assert.match(drained.text, /broker 4 is empty: stop it/);
  assertWhole(cluster);
  for (const id of [4, 5]) await cluster.settle(cluster.member(id).broker.stop());
  await cluster.pass(10_000);
  const gone = await run(cluster, { flags: { removeBroker: [4, 5] } });
  assert.match(gone.text, /broker 5 is unregistered/);
  assert.deepEqual([...imageOf(cluster).brokers.keys()].sort(), [1, 2, 3]);
  const unknown = await run(cluster, { flags: { removeBroker: [9] } });
  assert.deepEqual([unknown.code, unknown.text], [1, 'headrace: there is no broker 9\n']);
  await cluster.stop();
});

test('a run that is interrupted says how to go on, and going on or calling back leaves everything whole', async () => {
  for (const cancel of [true, false]) {
    const cluster = await grown();
    const stopping = new AbortController();
    const interrupted = await run(cluster, {
      flags: { throttleBytesPerSecond: 1, parallel: 4 },
      signal: stopping.signal,
      onProgress: () => stopping.abort(),
    });
    assert.equal(interrupted.code, 130);
    assert.match(interrupted.text, /4 moves are under way/);
    assert.match(interrupted.text, /--cancel/);
    const before = held(cluster);
    assert.ok(before[3]! + before[4]! > 0);
    const next = await run(cluster, { flags: { cancel } });
    assert.equal(next.code, 0, next.text);
    if (cancel) {
      // What fits into the first answers passes the throttle: some have ended already.
      const [, calledBack] = /(\d+) were called back/.exec(next.text)!;
      assert.ok(Number(calledBack) >= 1);
      const after = held(cluster);
      assert.ok(after[3]! + after[4]! <= before[3]! + before[4]! - Number(calledBack));
    } else for (const count of held(cluster)) assert.ok(count >= 5 && count <= 7, held(cluster).join());
    assert.match(next.text, /the throttle is lifted/);
    assertWhole(cluster);
    const { image } = cluster.member(2).broker.services;
    assert.deepEqual([image.configs('BROKER', '4').size, image.configs('BROKER', '1').size], [0, 0]);
    assert.equal(image.configs('TOPIC', 't').get('follower.replication.throttled.replicas') ?? '', '');
    await cluster.stop();
  }
});

test('a broker that dies on the way holds up its own partitions alone, and the rest is done when it is back', async () => {
  const cluster = await grown();
  let killed = false;
  const running = run(cluster, {
    flags: { parallel: 2 },
    onProgress() {
      if (!killed) {
        killed = true;
        cluster.member(5).ports.kill({ powerCut: true });
        cluster.time.schedule(20_000, () => void cluster.restart(5, 'lose').catch(() => {}));
      }
    },
  });
  const { code } = await running;
  assert.equal(code, 0);
  await cluster.pass(5_000);
  assertWhole(cluster);
  for (const count of held(cluster)) assert.ok(count >= 5 && count <= 7, held(cluster).join());
  await cluster.stop();
});

/** What `headrace cluster status` says. */
async function shown(cluster: TestCluster, json: boolean): Promise<string> {
  const { terminal, lines } = screen();
  const admin = adminOf(cluster);
  await cluster.settle(status({ json }, { admin, terminal, timers: cluster.ports.timers }));
  admin.close();
  return lines.join('');
}

test('the status names log directories that have failed, and nothing is moved to a broker without any', async () => {
  let isBroken = false;
  const isFaulty = (nodeId: number, kind: string): boolean =>
    isBroken && nodeId === 3 && (kind === 'sync' || kind === 'write');
  const cluster = await testCluster(3, {
    configs: CONFIGS,
    diskOf: (nodeId) => ({ fault: ({ kind }) => (isFaulty(nodeId, kind) ? 'EIO' : undefined) }),
  });
  const assignments = Array.from({ length: 6 }, (_, partitionIndex) => ({
    partitionIndex,
    brokerIds: partitionIndex === 0 ? [3, 1] : [1, 2],
  }));
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await cluster.settle(cluster.member(1).broker.services.controller.createTopics([topic]));
  await cluster.pass(1_000);
  assert.ok(!(await shown(cluster, false)).includes('failed'));
  isBroken = true;
  await (await cluster.connect(3)).produce('t', batchOf(['a']));
  await cluster.pass(5_000);
  assert.match(await shown(cluster, false), /1 log directories that have failed: \S+ of broker 3/);
  const { text } = await run(cluster, { flags: { dryRun: true } });
  const moves = [...text.matchAll(/^ {2}t-\d +([\d,]+) +([\d,]+)/gm)].map(([, from, to]) => ({ from, to }));
  assert.ok(moves.length > 0);
  for (const { from, to } of moves) assert.ok(from!.includes('3') || !to!.includes('3'), `${from} ${to}`);
  await cluster.stop();
});

test('scripts get a JSON object a line, and the state of the cluster in one', async () => {
  const cluster = await grown();
  const { code, text } = await run(cluster, { flags: { json: true } });
  assert.equal(code, 0);
  const events = text
    .trim()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { event: string; moves?: unknown; bytesDone?: number; bytes?: number },
    );
  assert.deepEqual([events[0]!.event, events.at(-1)!.event], ['plan', 'done']);
  const progress = events.filter(({ event }) => event === 'progress');
  assert.ok(progress.length > 0 && progress.at(-1)!.bytesDone === progress.at(-1)!.bytes);

  const found = JSON.parse(await shown(cluster, true)) as {
    brokers: object[];
    partitions: number;
    offline: string[];
  };
  assert.deepEqual([found.brokers.length, found.partitions, found.offline], [5, PARTITIONS + 2, []]);
  assert.match(await shown(cluster, false), /none not fully in sync/);
  await cluster.settle(cluster.member(5).broker.stop());
  await cluster.pass(10_000);
  assert.match(await shown(cluster, false), /5 +host5:9092 +- +away/);
  await cluster.stop();
});

test('sizes and times are read and written as people do', () => {
  assert.deepEqual(['50MB', '1.5 G', '100', '10kib', '2 GB/s', 'much', '0'].map(parseBytes), [
    50 * 1024 ** 2,
    1.5 * 1024 ** 3,
    100,
    10_240,
    2 * 1024 ** 3,
    undefined,
    undefined,
  ]);
  assert.deepEqual([0, 999, 1_000, 20_480, 5e9, 2e15].map(bytes), [
    '0 B',
    '999 B',
    '0.98 KB',
    '20.0 KB',
    '4.66 GB',
    '1819 TB',
  ]);
  assert.deepEqual([0, 59_400, 600_000, 9e6].map(duration), ['0 s', '59 s', '10 min', '2.5 h']);
  assert.equal(
    table(
      ['name', 'size'],
      [
        ['a', '10 B'],
        ['long', '9.50 KB'],
      ],
    ),
    '  name     size\n  a        10 B\n  long  9.50 KB\n',
  );
});
