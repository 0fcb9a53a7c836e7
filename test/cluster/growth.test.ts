// A cluster grows from three brokers to five and shrinks back, while clients write with acks=all; the first attempt is stopped
// and called back. Nothing that was acknowledged is lost, in order and once, and the move tells how far it is.
//
// HEADRACE_GROWTH=long: 200 partitions and 1 GB, with Kafka's own producer beside ours; its figures are printed.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import kafkajs from 'kafkajs';
import { installEtcd } from '../../scripts/peer-etcd.ts';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { obtain } from '../interop/peer.ts';
import { until } from '../interop/until.ts';
import { BrokerProcesses } from './broker-processes.ts';
import { startJavaWriter, type JavaWriter } from './java-writer.ts';
import { SteadyWriter, type Latency } from './steady-writer.ts';

const { Kafka, logLevel } = kafkajs;
const MB = 1024 ** 2;
const isLong = process.env['HEADRACE_GROWTH'] === 'long';
const SCALE = isLong
  ? { partitions: 200, fillBytes: 1024 * MB, recordBytes: 10_000, recordsPerSecond: 300, throttle: '20MB' }
  : { partitions: 12, fillBytes: 12 * MB, recordBytes: 4_000, recordsPerSecond: 100, throttle: '1MB' };
const TOPIC = 'growing';
const JAVA_TOPIC = 'growing-java';
const REPLICAS = 3;

const { installed: etcd, skip } = await obtain(installEtcd);
let cluster: BrokerProcesses | undefined;
after(() => cluster?.stop());

interface Status {
  readonly brokers: readonly {
    readonly id: number;
    readonly replicas: number;
    readonly sizeBytes: number;
    readonly state: string;
  }[];
  readonly partitions: number;
  readonly offline: readonly string[];
  readonly underReplicated: readonly string[];
  readonly moving: readonly unknown[];
}

async function statusOf(on: BrokerProcesses): Promise<Status> {
  const command = on.command('status', '--json');
  assert.equal(await command.ended, 0, command.output());
  return JSON.parse(command.output()) as Status;
}

/** Resolves with what it wrote. */
async function run(on: BrokerProcesses, ...args: readonly string[]): Promise<string> {
  const command = on.command('rebalance', '--sample=0', '--yes', ...args);
  const code = await command.ended;
  assert.equal(code, 0, `${command.output()}\n${on.logs()}`);
  return command.output();
}

async function createTopics(bootstrap: string): Promise<void> {
  const admin = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
  await admin.createTopics({
    topics: [
      { topic: TOPIC, numPartitions: SCALE.partitions, replicationFactor: REPLICAS, configEntries },
      { topic: JAVA_TOPIC, numPartitions: 6, replicationFactor: REPLICAS, configEntries },
    ],
  });
  await admin.disconnect();
}

/** What is printed of a phase. */
function tell(what: string, { tookMs, latency }: { tookMs: number; latency: Latency }, more = ''): void {
  const { count, p50Ms, p99Ms, maxMs } = latency;
  const written = `${count} records acknowledged, p50 ${p50Ms} ms, p99 ${p99Ms} ms, at most ${maxMs} ms`;
  console.log(`${what}: ${(tookMs / 1000).toFixed(1)} s; ${written}${more === '' ? '' : `; ${more}`}`);
}

test(
  'three brokers become five and three again under load, and nothing is lost',
  { skip: skip ?? false },
  async () => {
    const on = await BrokerProcesses.start(etcd!, [
      'offsets.topic.num.partitions=1',
      'log.segment.bytes=16777216',
      'auto.create.topics.enable=false',
    ]);
    cluster = on;
    await Promise.all([1, 2, 3].map((id) => on.add(id)));
    await createTopics(on.bootstrap);
    const { partitions, recordBytes, recordsPerSecond, fillBytes, throttle } = SCALE;
    const writer = new SteadyWriter({ bootstrap: on.bootstrap, topic: TOPIC, partitions, recordBytes });
    const filledMs = await timed(() => writer.fill(fillBytes));
    assert.deepEqual(writer.failures, []);
    console.log(`filled with ${fillBytes / MB} MB in ${(filledMs / 1000).toFixed(1)} s`);
    writer.start(recordsPerSecond);
    const java = isLong ? await startJava(on.bootstrap) : undefined;

    await Promise.all([4, 5].map((id) => on.add(id)));

    // Interrupted and called back.
    const first = on.command('rebalance', '--sample=0', '--yes', `--throttle=${throttle}`, '--parallel=8');
    await until('moves are under way', () => /8 under way/.test(first.output()), { seen: first.output });
    first.signal('SIGINT');
    assert.equal(await first.ended, 130, first.output());
    assert.match(first.output(), /headrace cluster rebalance --cancel/);
    assert.ok((await statusOf(on)).moving.length > 0);
    const calledBack = await run(on, '--cancel');
    assert.match(calledBack, /\d+ were called back/);
    assert.match(calledBack, /the throttle is lifted/);
    assert.equal((await statusOf(on)).moving.length, 0);
    writer.latency();

    // Grown.
    let output = '';
    const grownMs = await timed(async () => {
      output = await run(on);
    });
    assert.match(output, /\d+ %: \d+ of \d+ partitions/, 'progress is shown');
    const moved = /([\d.]+ [KMG]B) to copy/.exec(output)![1]!;
    const grown = await statusOf(on);
    tell('grown from 3 to 5', { tookMs: grownMs, latency: writer.latency() }, moved);
    const average = ((partitions + 6) * REPLICAS) / 5;
    for (const { id, replicas } of grown.brokers) {
      assert.ok(Math.abs(replicas - average) <= 0.1 * average + 2, `broker ${id}: ${replicas} of ${average}`);
    }
    assert.deepEqual([grown.offline, grown.moving], [[], []]);

    // Shrunk.
    const leave = ['--remove-broker=4', '--remove-broker=5'];
    const shrunkMs = await timed(async () => {
      output = await run(on, ...leave);
    });
    assert.match(output, /broker 4 is empty/);
    tell(
      'shrunk from 5 to 3',
      { tookMs: shrunkMs, latency: writer.latency() },
      /([\d.]+ [KMG]B) to copy/.exec(output)![1],
    );
    await Promise.all([4, 5].map((id) => on.remove(id)));
    await until('they are seen to have gone', async () => {
      const { brokers } = await statusOf(on);
      return brokers.filter(({ state }) => state === 'away').length === 2;
    });
    assert.match(await run(on, ...leave), /broker 5 is unregistered/);
    const shrunk = await statusOf(on);
    assert.deepEqual([shrunk.brokers.map(({ id }) => id), shrunk.offline], [[1, 2, 3], []]);

    // Nothing lost.
    const wasAcknowledged = writer.acknowledged;
    const found = await writer.finish(on.bootstrap);
    assert.deepEqual(writer.failures, []);
    assert.ok(found >= wasAcknowledged);
    console.log(`${found} records read back, none lost, none twice, all in order`);
    await java?.finish(on.bootstrap);
    if (java === undefined) return;
    assert.deepEqual(java.failures, []);
    console.log(`${java.acknowledged()} records of Kafka's own producer read back`);
  },
);

async function startJava(bootstrap: string): Promise<JavaWriter> {
  const classpath = await installKafkaTools();
  const java = startJavaWriter({ classpath, bootstrap, topic: JAVA_TOPIC, recordsPerSecond: 200 });
  await until('Java writes', () => java.acknowledged() > 0);
  return java;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
