/**
 * Moves of partitions while brokers die (R14): a move is begun under load, and at each step of it, as the store shows them,
 * one broker is killed: the leader that is to go, the replica that is to come, the one that stays, or the controller. What
 * was acknowledged is there afterwards, all replicas hold the same bytes, and those that had to go hold nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from '../metadata/follow.ts';
import { ClusterImage, type PartitionImage } from '../metadata/image.ts';
import { isReassigning } from '../metadata/controller/reassignments.ts';
import { Errors } from '../protocol/errors.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../protocol/messages/45-alter-partition-reassignments.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { forEachBatch } from '../protocol/record-batch.ts';
import { forEachRecord } from '../protocol/records.ts';
import { batchOf, produceBody, TestClient } from './test-client.ts';
import { BROKER_PORT, testCluster, type TestCluster } from './test-cluster.ts';

const CONFIGS = {
  'broker.session.timeout.ms': '6000',
  'replica.lag.time.max.ms': '5000',
  'replica.fetch.max.bytes': '2000',
};
const RECORD_LIMITS = { maxDecompressedBytes: 1_000_000 };
const BEFORE = 60;

interface Move {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

interface Crash {
  readonly victim: number;
  /** After so many changes of the partition since the request; 0: at once. */
  readonly step: number;
  readonly unsynced: 'keep' | 'lose';
  /** After this many changes the move is cancelled. */
  readonly cancelAt?: number;
}

/** One record after the other, each acknowledged by all in-sync replicas or sent again. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly #cluster: TestCluster;
  readonly #image: ClusterImage;
  #client: { readonly leader: number; readonly client: TestClient } | undefined;
  #isStopped = false;
  #done: Promise<void> = Promise.resolve();
  #clients = 0;

  constructor(cluster: TestCluster, image: ClusterImage) {
    this.#cluster = cluster;
    this.#image = image;
  }

  start(): void {
    this.#done = this.#run();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#done;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const value = `value-${n}-`.padEnd(200, '.');
      if (await this.#write(value)) this.acknowledged.push(value);
      else this.#client = undefined;
      await this.#pause(this.acknowledged.length < BEFORE ? 1 : 50);
    }
  }

  async #write(value: string): Promise<boolean> {
    try {
      const client = await this.#connected();
      if (client === undefined) return false;
      const body = produceBody('t', [[0, batchOf([value])]]);
      const { answer } = client.send(ProduceRequest, ProduceResponse, 12, body);
      const response = await Promise.race([answer, this.#pause(1_000)]);
      return response?.responses[0]!.partitionResponses[0]!.errorCode === Errors.NONE;
    } catch {
      return false;
    }
  }

  async #connected(): Promise<TestClient | undefined> {
    const { leader } = this.#image.partition('t', 0)!;
    if (leader < 0) return undefined;
    if (this.#client?.leader === leader && !this.#client.client.isClosed) return this.#client.client;
    const { network, ports, member } = this.#cluster;
    this.#clients += 1;
    const port = network.port(`writer${this.#clients}`, ports.process);
    const { host } = member.call(this.#cluster, leader);
    const connection = await Promise.race([port.connect(host, BROKER_PORT), this.#pause(1_000)]);
    if (connection === undefined) return undefined;
    const client = new TestClient(connection, this.#cluster);
    this.#client = { leader, client };
    return client;
  }

  #pause(ms: number): Promise<undefined> {
    return new Promise((resolve) => this.#cluster.time.schedule(ms, () => resolve(undefined)));
  }
}

/** Resolves with how many changes the move took. */
async function run(move: Move, crash?: Crash): Promise<number> {
  const cluster = await testCluster(5, { configs: CONFIGS });
  const witness = new ClusterImage();
  await cluster.settle(follow(cluster.store.connect(cluster.ports), witness, cluster.ports));
  const { controller } = cluster.member(1).broker.services;
  const topic = {
    name: 't',
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [{ partitionIndex: 0, brokerIds: [...move.from] }],
    configs: [{ name: 'min.insync.replicas', value: '2' }],
  };
  await cluster.settle(controller.createTopics([topic]));
  const writer = new Writer(cluster, witness);
  writer.start();
  await until(cluster, () => writer.acknowledged.length >= BEFORE);

  let changes = 0;
  let killed = false;
  let cancelled = false;
  const strike = (): void => {
    if (crash !== undefined && !killed && changes >= crash.step) {
      killed = true;
      cluster.member(crash.victim).ports.kill({ powerCut: crash.unsynced === 'lose' });
    }
    if (crash?.cancelAt !== undefined && !cancelled && changes >= crash.cancelAt) {
      cancelled = true;
      void alter(cluster, witness, null);
    }
  };
  witness.onChange(({ partitionsChanged }) => {
    if (partitionsChanged.length === 0) return;
    changes += 1;
    // Whoever made the change has not heard of it yet.
    strike();
  });
  await alter(cluster, witness, move.to);
  await until(cluster, () => !isReassigning(partitionOf(witness)) || changes >= (crash?.step ?? Infinity));
  const took = changes;
  strike();
  if (crash !== undefined) {
    await cluster.pass(8_000);
    await cluster.restart(crash.victim, crash.unsynced);
  }
  const goal = crash?.cancelAt === undefined ? move.to : undefined;
  const isThere = ({ replicas, isr, leader }: PartitionImage): boolean =>
    (goal === undefined || sorted(replicas) === sorted(goal)) &&
    isr.length === replicas.length &&
    leader >= 0;
  await until(cluster, () => !isReassigning(partitionOf(witness)) && isThere(partitionOf(witness)));
  await cluster.settle(writer.stop());
  await cluster.pass(3_000);

  const { replicas, leader } = partitionOf(witness);
  if (goal === undefined) assert.ok([move.from, move.to].some((one) => sorted(one) === sorted(replicas)));
  const bytes = await Promise.all(replicas.map((id) => bytesOf(cluster, id)));
  for (const [n, one] of bytes.entries())
    assert.ok(one.equals(bytes[0]!), `replica ${replicas[n]} differs, leader ${leader}`);
  const values = valuesOf(bytes[0]!);
  const lost = writer.acknowledged.filter((value) => !values.has(value));
  assert.deepEqual(lost, []);
  for (const [id, { broker }] of cluster.members) {
    const log = broker.services.logDirectories.get({ topic: 't', partition: 0 });
    assert.equal(log !== undefined, replicas.includes(id), `broker ${id}`);
  }
  await cluster.stop();
  return took;
}

/** Asks any broker that lives until one says yes, as the tools do. Null: cancel. */
async function alter(
  cluster: TestCluster,
  image: ClusterImage,
  replicas: readonly number[] | null,
): Promise<void> {
  for (;;) {
    const alive = [...image.brokers.values()].filter(({ fenced }) => !fenced);
    for (const { id } of alive) {
      const port = cluster.network.port(`admin-${id}-${cluster.time.nowMs()}`, cluster.ports.process);
      const pause = (): Promise<undefined> =>
        new Promise((resolve) => cluster.time.schedule(2_000, () => resolve(undefined)));
      const attempt = async (): Promise<number | undefined> => {
        const connection = await port.connect(cluster.member(id).host, BROKER_PORT);
        const client = new TestClient(connection, cluster);
        const partitions = [{ partitionIndex: 0, replicas: replicas === null ? null : [...replicas] }];
        const request = AlterPartitionReassignmentsRequest;
        const body = {
          timeoutMs: 1_000,
          allowReplicationFactorChange: true,
          topics: [{ name: 't', partitions }],
        };
        const { answer } = client.send(request, AlterPartitionReassignmentsResponse, 1, body);
        const { errorCode, responses } = await answer;
        return errorCode === Errors.NONE ? responses[0]!.partitions[0]!.errorCode : errorCode;
      };
      const racing = Promise.race([attempt().catch(() => undefined), pause()]);
      const errorCode = await (replicas === null ? racing : cluster.settle(racing));
      if (errorCode === Errors.NONE || errorCode === Errors.NO_REASSIGNMENT_IN_PROGRESS) return;
    }
  }
}

function partitionOf(image: ClusterImage): PartitionImage {
  return image.partition('t', 0)!;
}

function sorted(ids: readonly number[]): string {
  return [...ids].sort().join();
}

async function until(cluster: TestCluster, isSo: () => boolean): Promise<void> {
  assert.ok(await cluster.time.runUntil(isSo, 60_000), 'it came about in time');
}

async function bytesOf(cluster: TestCluster, nodeId: number): Promise<Buffer> {
  const log = cluster.member(nodeId).broker.services.logDirectories.get({ topic: 't', partition: 0 });
  assert.ok(log !== undefined, `broker ${nodeId} has a log`);
  const all: Buffer[] = [];
  for (let offset = 0; offset < log.logEndOffset;) {
    const wanted = { offset, maxBytes: 1 << 20, upTo: log.logEndOffset, minOneMessage: true };
    const read = await cluster.settle(Promise.resolve(log.read(wanted)));
    all.push(...read.buffers.map((one) => Buffer.from(one)));
    offset = read.nextOffset;
  }
  return Buffer.concat(all);
}

function valuesOf(bytes: Buffer): Set<string> {
  const values = new Set<string>();
  forEachBatch(bytes, (at, sizeBytes) => {
    const batch = bytes.subarray(at, at + sizeBytes);
    forEachRecord(batch, (record) => void values.add(String(record.value)), RECORD_LIMITS);
  });
  return values;
}

/** Each change of the move, and each kind of loss. */
async function sweep(move: Move, victims: readonly number[]): Promise<void> {
  const steps = await run(move);
  assert.ok(steps >= 2, `${steps} steps`);
  for (const victim of victims) {
    for (let step = 0; step <= steps; step++) {
      const unsynced = (victim + step) % 2 === 0 ? 'keep' : 'lose';
      await test(`broker ${victim} dies at step ${step} (${unsynced})`, async () => {
        await run(move, { victim, step, unsynced });
      });
    }
  }
}

test('two of three replicas move, with the leader: whoever dies at whichever step, nothing is lost', async () => {
  await sweep({ from: [2, 3, 4], to: [5, 4, 3] }, [1, 2, 4, 5]);
});

test('the replication factor rises from 2 to 4, and any broker dies on the way', async () => {
  await sweep({ from: [2, 3], to: [3, 4, 2, 5] }, [1, 2, 4]);
});

test('the replication factor falls from 4 to 2, with another leader, and any broker dies on the way', async () => {
  await sweep({ from: [1, 2, 3, 4], to: [4, 5] }, [1, 4, 5]);
});

test('a move is cancelled while a broker dies: it ends where it began, or had ended before', async () => {
  for (const victim of [1, 2, 5]) {
    for (const cancelAt of [1, 2]) {
      await run({ from: [2, 3, 4], to: [5, 4, 3] }, { victim, step: 1, cancelAt, unsynced: 'lose' });
    }
  }
});
