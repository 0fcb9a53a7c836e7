// The story of growth.test.ts: three brokers, then five, then three again, under clients that write.
import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { until } from '../interop/until.ts';
import { BrokerProcesses } from './broker-processes.ts';
import { startJavaWriter, type JavaWriter } from './java-writer.ts';
import { SteadyWriter, type Latency } from './steady-writer.ts';

const { Kafka, logLevel } = kafkajs;
const MB = 1024 ** 2;
export interface GrowthScale {
  readonly partitions: number;
  readonly fillBytes: number;
  readonly recordBytes: number;
  readonly recordsPerSecond: number;
  /** Of the attempt that is called back, so that it can be caught half-way. */
  readonly throttle: string;
}

export const SHORT: GrowthScale = {
  partitions: 12,
  fillBytes: 24 * MB,
  recordBytes: 4_000,
  recordsPerSecond: 100,
  throttle: '200KB',
};
export const LONG: GrowthScale = {
  partitions: 200,
  fillBytes: 1024 * MB,
  recordBytes: 10_000,
  recordsPerSecond: 300,
  throttle: '1MB',
};

const TOPIC = 'growing';
const JAVA_TOPIC = 'growing-java';
const JAVA_PARTITIONS = 6;
const REPLICAS = 3;

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

async function createTopics(bootstrap: string, partitions: number): Promise<void> {
  const admin = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
  await admin.createTopics({
    topics: [
      { topic: TOPIC, numPartitions: partitions, replicationFactor: REPLICAS, configEntries },
      { topic: JAVA_TOPIC, numPartitions: JAVA_PARTITIONS, replicationFactor: REPLICAS, configEntries },
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

export interface GrowthOptions {
  /** The path of an etcd. */
  readonly etcd: string;
  readonly scale: GrowthScale;
  /** The classpath of Kafka's tools: with it, Kafka's own producer writes as well. */
  readonly kafkaTools?: string;
  /** Runs each phase; nothing of ours is written between them. */
  readonly phase?: (name: string, work: () => Promise<void>) => Promise<void>;
}

export async function growAndShrink(options: GrowthOptions): Promise<void> {
  const settings = [
    'offsets.topic.num.partitions=1',
    'log.segment.bytes=16777216',
    'auto.create.topics.enable=false',
  ];
  const on = await BrokerProcesses.start(options.etcd, settings);
  const growth = new Growth(on, options);
  try {
    await growth.run();
  } finally {
    await growth.discard();
  }
}

class Growth {
  readonly #on: BrokerProcesses;
  readonly #options: GrowthOptions;
  #writer!: SteadyWriter;
  #java: JavaWriter | undefined;

  constructor(on: BrokerProcesses, options: GrowthOptions) {
    this.#on = on;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { phase = (_, work) => work() } = this.#options;
    await phase('fill', () => this.#fill());
    await phase('call back', () => this.#written(() => this.#callBack()));
    await phase('grow', () => this.#written(() => this.#grow()));
    await phase('shrink', () => this.#written(() => this.#shrink()));
    await phase('read', () => this.#readBack());
  }

  /** Nothing of it runs on. */
  async discard(): Promise<void> {
    this.#java?.discard();
    await this.#on.stop();
  }

  async #fill(): Promise<void> {
    const { partitions, recordBytes, fillBytes } = this.#options.scale;
    const on = this.#on;
    await Promise.all([1, 2, 3].map((id) => on.add(id)));
    await createTopics(on.bootstrap, partitions);
    this.#writer = new SteadyWriter({ bootstrap: on.bootstrap, topic: TOPIC, partitions, recordBytes });
    const tookMs = await timed(() => this.#writer.fill(fillBytes));
    assert.deepEqual(this.#writer.failures, []);
    console.log(`filled with ${fillBytes / MB} MB in ${(tookMs / 1000).toFixed(1)} s`);
  }

  /** Under load. */
  async #written(work: () => Promise<void>): Promise<void> {
    const { scale, kafkaTools } = this.#options;
    this.#writer.start(scale.recordsPerSecond);
    if (kafkaTools !== undefined) this.#java ??= await startJava(kafkaTools, this.#on.bootstrap);
    await work();
    await this.#writer.pause();
    assert.deepEqual(this.#writer.failures, []);
  }

  /** The first attempt is interrupted, and called back. */
  async #callBack(): Promise<void> {
    const on = this.#on;
    await Promise.all([4, 5].map((id) => on.add(id)));
    const { throttle } = this.#options.scale;
    const first = on.command('rebalance', '--sample=0', '--yes', `--throttle=${throttle}`, '--parallel=8');
    await until('moves are under way', () => /8 under way/.test(first.output()), { seen: first.output });
    first.signal('SIGINT');
    assert.equal(await first.ended, 130, first.output());
    assert.match(first.output(), /headrace cluster rebalance --cancel/);
    assert.ok((await statusOf(on)).moving.length > 0);
    const output = await run(on, '--cancel');
    assert.match(output, /the throttle is lifted/);
    console.log(`interrupted; ${/\d+ were called back/.exec(output)![0]}`);
    assert.equal((await statusOf(on)).moving.length, 0);
    this.#writer.latency();
  }

  async #grow(): Promise<void> {
    const on = this.#on;
    const { tookMs, output } = await timedRun(on);
    assert.match(output, /\d+ %: \d+ of \d+ partitions/, 'progress is shown');
    const { brokers, offline, moving } = await statusOf(on);
    tell('grown from 3 to 5', { tookMs, latency: this.#writer.latency() }, copied(output));
    const average = ((this.#options.scale.partitions + JAVA_PARTITIONS) * REPLICAS) / 5;
    for (const { id, replicas } of brokers) {
      assert.ok(Math.abs(replicas - average) <= 0.1 * average + 2, `broker ${id}: ${replicas} of ${average}`);
    }
    assert.deepEqual([offline, moving], [[], []]);
  }

  async #shrink(): Promise<void> {
    const on = this.#on;
    const leave = ['--remove-broker=4', '--remove-broker=5'];
    const { tookMs, output } = await timedRun(on, ...leave);
    assert.match(output, /broker 4 is empty/);
    tell('shrunk from 5 to 3', { tookMs, latency: this.#writer.latency() }, copied(output));
    await Promise.all([4, 5].map((id) => on.remove(id)));
    await until('they are seen to have gone', async () => {
      const { brokers } = await statusOf(on);
      return brokers.filter(({ state }) => state === 'away').length === 2;
    });
    assert.match(await run(on, ...leave), /broker 5 is unregistered/);
    const { brokers, offline } = await statusOf(on);
    assert.deepEqual([brokers.map(({ id }) => id), offline], [[1, 2, 3], []]);
  }

  async #readBack(): Promise<void> {
    const { acknowledged } = this.#writer;
    const found = await this.#writer.finish(this.#on.bootstrap);
    assert.deepEqual(this.#writer.failures, []);
    assert.ok(found >= acknowledged);
    console.log(`${found} records read back, none lost, none twice, all in order`);
    if (this.#java === undefined) return;
    await this.#java.finish(this.#on.bootstrap);
    assert.deepEqual(this.#java.failures, []);
    console.log(`${this.#java.acknowledged()} records of Kafka's own producer read back`);
  }
}

function copied(output: string): string {
  return `${/([\d.]+ [KMG]?B) to copy/.exec(output)![1]} copied`;
}

async function timedRun(
  on: BrokerProcesses,
  ...args: readonly string[]
): Promise<{ tookMs: number; output: string }> {
  let output = '';
  const tookMs = await timed(async () => {
    output = await run(on, ...args);
  });
  return { tookMs, output };
}

async function startJava(classpath: string, bootstrap: string): Promise<JavaWriter> {
  const java = startJavaWriter({ classpath, bootstrap, topic: JAVA_TOPIC, recordsPerSecond: 200 });
  await until('Java writes', () => java.acknowledged() > 0);
  return java;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
