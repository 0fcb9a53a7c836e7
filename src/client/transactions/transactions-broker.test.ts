// Transactions against the real broker, on simulated ports, with both protocols.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld, type TestWorld } from '../../broker/test-client.ts';
import { Client, type ConsumerOptions, type TransactionalProducer } from '../client.ts';
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../protocol/messages/57-update-features.ts';
import { clientPorts } from '../test-cluster.ts';

const SAFE_DOWNGRADE = 2;

class Scene {
  readonly world: TestWorld;
  readonly client: Client;

  constructor(world: TestWorld) {
    this.world = world;
    const { time, wires } = world.ports;
    this.client = new Client({ bootstrap: 'broker:19092', ports: clientPorts({ time, wires }, 'client') });
  }

  /** `level` is the cluster's transaction.version. */
  static async start(level: number): Promise<Scene> {
    const { world, client } = await testWorld({
      'advertised.listeners': 'PLAINTEXT://broker:19092',
      'group.initial.rebalance.delay.ms': '0',
    });
    if (level < 2) {
      const answer = await client.request(UpdateFeaturesRequest, UpdateFeaturesResponse, 1, {
        featureUpdates: [
          {
            feature: 'transaction.version',
            maxVersionLevel: level,
            allowDowngrade: false,
            upgradeType: SAFE_DOWNGRADE,
          },
        ],
      });
      assert.equal(answer.errorCode, 0);
    }
    await client.createTopic('t', { numPartitions: 2 });
    await client.createTopic('in');
    return new Scene(world);
  }

  producer(transactionalId = 'x'): TransactionalProducer {
    return this.client.transactionalProducer({ transactionalId });
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.world.ports.time.settle(promise);
  }

  /** All that a consumer sees of `t` now, sorted. */
  async seen(options: Partial<ConsumerOptions> = {}): Promise<string[]> {
    const consumer = this.client.consumer({
      assign: [{ topic: 't' }],
      from: 'earliest',
      maxWaitMs: 50,
      ...options,
    });
    const values: string[] = [];
    for (;;) {
      const batch = await this.settle(consumer.poll({ timeoutMs: 1_000 }));
      if (batch === undefined) break;
      for (const record of batch) values.push(record.text!);
    }
    await this.settle(consumer.close());
    return values.sort();
  }

  async end(): Promise<void> {
    await this.settle(this.client.close());
    await this.world.stop();
  }
}

const record = (value: string, partition = 0) => ({ topic: 't', partition, value });

for (const level of [2, 1]) {
  test(`v${level}: what is committed is seen together, what is aborted never`, async () => {
    const scene = await Scene.start(level);
    const settle = <T>(promise: Promise<T>): Promise<T> => scene.settle(promise);
    const producer = scene.producer();
    const one = await settle(producer.begin());
    await settle(one.sendAll([record('a'), record('b', 1)]));
    assert.deepEqual(await scene.seen(), []);
    assert.deepEqual(await scene.seen({ isolation: 'uncommitted' }), ['a', 'b']);
    await settle(one.commit());
    assert.deepEqual(await scene.seen(), ['a', 'b']);
    const two = await settle(producer.begin());
    await settle(two.send(record('lost')));
    void two.send(record('dropped')).catch(() => {});
    await settle(two.abort());
    const three = await settle(producer.begin());
    await settle(three.send(record('c')));
    await settle(three.commit());
    assert.deepEqual(await scene.seen(), ['a', 'b', 'c']);
    await assert.rejects(three.send(record('d')), { errorName: 'INVALID_ARGUMENT' });
    await settle(settle(producer.begin()).then((empty) => empty.commit()));
    await scene.end();
  });

  test(`v${level}: many transactions after each other, with waits for nobody`, async () => {
    const scene = await Scene.start(level);
    const producer = scene.producer();
    for (let n = 0; n < 10; n++) {
      await scene.settle(
        producer.run(async (transaction) => void (await transaction.send(record(`v${n}`, n % 2)))),
      );
    }
    assert.equal((await scene.seen()).length, 10);
    await scene.end();
  });

  test(`v${level}: run aborts when the work fails`, async () => {
    const scene = await Scene.start(level);
    const producer = scene.producer();
    const work = producer.run(async (transaction) => {
      await transaction.send(record('lost'));
      throw new Error('changed my mind');
    });
    await assert.rejects(scene.settle(work), /changed my mind/);
    await scene.settle(producer.run((transaction) => transaction.send(record('kept'))));
    assert.deepEqual(await scene.seen(), ['kept']);
    await scene.end();
  });

  test(`v${level}: offsets go with the transaction, or not at all`, async () => {
    const scene = await Scene.start(level);
    await scene.settle(
      scene.client.producer().sendAll(Array.from({ length: 6 }, (_, n) => ({ topic: 'in', value: `${n}` }))),
    );
    const producer = scene.producer();
    const consumer = scene.client.consumer({
      group: 'g',
      topics: ['in'],
      from: 'earliest',
      autoCommit: false,
    });
    const round = (fails: boolean): Promise<void> =>
      producer.run(async (transaction) => {
        const batch = (await consumer.poll())!;
        await transaction.sendAll(batch.records.map((one) => record(`made of ${one.text}`)));
        await transaction.sendOffsets(consumer.offsetOwner, consumer.handedOut());
        if (fails) throw new Error('no');
      });
    await assert.rejects(scene.settle(round(true)));
    assert.deepEqual(await scene.settle(consumer.committed()), []);
    consumer.seek({ topic: 'in', partition: 0 }, 'earliest');
    await scene.settle(round(false));
    assert.deepEqual(
      (await scene.settle(consumer.committed())).map(({ offset }) => offset),
      [6],
    );
    assert.deepEqual(
      await scene.seen(),
      ['0', '1', '2', '3', '4', '5'].map((n) => `made of ${n}`),
    );
    // A member that the group no longer knows is refused.
    const transaction = await scene.settle(producer.begin());
    const { group, committer } = consumer.offsetOwner;
    const old = { group, committer: { ...committer!, generation: committer!.generation - 1 } };
    await assert.rejects(scene.settle(transaction.sendOffsets(old, consumer.handedOut())), {
      errorName: 'ILLEGAL_GENERATION',
    });
    await assert.rejects(scene.settle(transaction.commit()), {
      abortable: true,
      message:
        /^ILLEGAL_GENERATION: TxnOffsetCommit for group \S+ \(abort the transaction and begin again\)$/,
    });
    await scene.settle(transaction.abort());
    await scene.end();
  });

  test(`v${level}: a second producer of the same id takes the place of the first`, async () => {
    const scene = await Scene.start(level);
    const first = scene.producer();
    const open = await scene.settle(first.begin());
    await scene.settle(open.send(record('lost')));
    const second = scene.producer();
    await scene.settle(second.run((transaction) => transaction.send(record('kept'))));
    await assert.rejects(
      scene.settle(open.send(record('late')).then(() => open.commit())),
      (error: { errorName: string }) => /FENCED|INVALID_PRODUCER_EPOCH/.test(error.errorName),
    );
    await assert.rejects(scene.settle(open.abort()), { fatal: true });
    await assert.rejects(scene.settle(first.begin()), { fatal: true });
    assert.deepEqual(await scene.seen(), ['kept']);
    await scene.end();
  });

  test(`v${level}: a transaction that cannot go on is aborted, and the next one is sound`, async () => {
    const scene = await Scene.start(level);
    const producer = scene.producer();
    const transaction = await scene.settle(producer.begin());
    await scene.settle(transaction.send(record('lost')));
    const admin = scene.client.admin();
    await scene.settle(admin.alterConfigs({ type: 'topic', name: 't' }, { 'max.message.bytes': '1000' }));
    await assert.rejects(scene.settle(transaction.send(record('x'.repeat(5_000)))), {
      errorName: 'MESSAGE_TOO_LARGE',
    });
    await assert.rejects(transaction.send(record('more')), { abortable: true });
    await assert.rejects(scene.settle(transaction.commit()), { abortable: true });
    await scene.settle(transaction.abort());
    await scene.settle(producer.run((next) => next.sendAll([record('a'), record('b', 1)])));
    assert.deepEqual(await scene.seen(), ['a', 'b']);
    await scene.end();
  });

  test(`v${level}: a transaction survives a restart of the broker`, async () => {
    const scene = await Scene.start(level);
    const producer = scene.producer();
    for (const kill of [false, true]) {
      const transaction = await scene.settle(producer.begin());
      await scene.settle(transaction.send(record(`before ${kill}`)));
      await scene.world.restart({ kill });
      await scene.settle(transaction.send(record(`after ${kill}`, 1)));
      await scene.settle(transaction.commit());
    }
    assert.deepEqual(await scene.seen(), ['after false', 'after true', 'before false', 'before true']);
    await scene.end();
  });
}
