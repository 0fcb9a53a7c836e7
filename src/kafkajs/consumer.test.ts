// KafkaJS's consumer against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AssignerProtocol,
  KafkaJSNonRetriableError,
  logLevel,
  type Consumer,
  type ConsumerConfig,
  type ConsumerRunConfig,
  type KafkaMessage,
  type PartitionAssigner,
} from './kafkajs.ts';
import { kafkaScene, type KafkaScene } from './test-scene.ts';

const QUICK: Partial<ConsumerConfig> = {
  maxWaitTimeInMs: 50,
  heartbeatInterval: 200,
  sessionTimeout: 3_000,
  retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 3 },
};

interface Stage extends KafkaScene {
  consumer(config?: Partial<ConsumerConfig>): Consumer;
  /** Connected and subscribed to `t` from its beginning. */
  reader(config?: Partial<ConsumerConfig>): Promise<Consumer>;
  /** The committed offset of `t-0`. */
  committed(): Promise<string>;
}

/** A topic `t` of one partition, unless told otherwise, with messages 0 to 9 in each. */
async function stage(partitions = 1): Promise<Stage> {
  const scene = await kafkaScene();
  await scene.admin.createTopic('t', { numPartitions: partitions });
  const numbers = Array.from({ length: 10 }, (_, n) => `${n}`);
  for (let n = 0; n < partitions; n++) await scene.send('t', n, numbers);
  const admin = scene.kafka.admin();
  const consumer = (config: Partial<ConsumerConfig> = {}): Consumer =>
    scene.newKafka().consumer({ groupId: 'g', ...QUICK, ...config });
  return {
    ...scene,
    consumer,
    async reader(config) {
      const one = consumer(config);
      await scene.settle(one.connect());
      await scene.settle(one.subscribe({ topic: 't', fromBeginning: true }));
      return one;
    },
    async committed() {
      const [found] = await scene.settle(admin.fetchOffsets({ groupId: 'g', topics: ['t'] }));
      return found!.partitions[0]!.offset;
    },
    async end() {
      await scene.settle(admin.disconnect());
      await scene.end();
    },
  };
}

const textOf = ({ value }: KafkaMessage): string => String(value);

test('each message comes once, as it was sent, and is committed', async () => {
  const { reader, kafka, until, settle, committed, end } = await stage();
  const consumer = await reader();
  const seen: KafkaMessage[] = [];
  await settle(
    consumer.run({
      eachMessage: async ({ topic, partition, message, heartbeat }) => {
        assert.deepEqual([topic, partition], ['t', 0]);
        await heartbeat();
        seen.push(message);
      },
    }),
  );
  await until('all are seen', () => seen.length === 10);
  const producer = kafka.producer();
  await settle(producer.connect());
  const headers = { once: 'x', twice: ['a', 'b'] };
  await settle(
    producer.send({ topic: 't', messages: [{ key: 'k', value: 'v', headers, timestamp: '1600000000000' }] }),
  );
  await until('the last one is seen', () => seen.length === 11);
  const { key, value, timestamp, offset, attributes, headers: found } = seen[10]!;
  assert.deepEqual(
    { key, value, timestamp, offset, attributes, found },
    {
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      timestamp: '1600000000000',
      offset: '10',
      attributes: 0,
      found: { once: Buffer.from('x'), twice: [Buffer.from('a'), Buffer.from('b')] },
    },
  );
  await settle(consumer.disconnect());
  assert.equal(await committed(), '11');
  await settle(producer.disconnect());
  await end();
});

test('a new group begins at the end, or at the beginning where it says so, topic by topic', async () => {
  const { consumer, kafka, until, settle, end, admin } = await stage();
  await admin.createTopic('other');
  const producer = kafka.producer();
  await settle(producer.connect());
  const one = consumer();
  await settle(one.connect());
  await settle(one.subscribe({ topics: [/^oth/], fromBeginning: true }));
  await settle(one.subscribe({ topic: 't' }));
  await settle(producer.send({ topic: 'other', messages: [{ value: 'old' }] }));
  const seen: string[] = [];
  await settle(one.run({ eachMessage: async ({ message }) => void seen.push(textOf(message)) }));
  await until('the old one is seen', () => seen.length === 1);
  await settle(producer.send({ topic: 't', messages: [{ value: 'new' }] }));
  await until('the new one is seen', () => seen.length === 2);
  assert.deepEqual(seen, ['old', 'new']);
  await settle(Promise.all([one.disconnect(), producer.disconnect()]));
  await end();
});

test('subscribing makes topics, unless it may not; and it is refused while the consumer runs', async () => {
  const { consumer, settle, end } = await stage();
  const [maker, other] = [consumer(), consumer({ allowAutoTopicCreation: false })];
  await settle(maker.subscribe({ topics: ['made'] }));
  await assert.rejects(settle(other.subscribe({ topics: ['missing'] })), {
    type: 'UNKNOWN_TOPIC_OR_PARTITION',
  });
  await assert.rejects(maker.subscribe({} as never), /Missing required argument/);
  await assert.rejects(settle(maker.subscribe({ topics: [7] } as never)), /has to be a String or a RegExp/);
  for (const call of [
    () => maker.pause([{ topic: 'made' }]),
    () => maker.resume([{ topic: 'made' }]),
    () => maker.seek({ topic: 'made', partition: 0, offset: '0' }),
  ]) {
    assert.throws(call, /consumer#run must be called first/);
  }
  await assert.rejects(
    maker.commitOffsets([{ topic: 'made', partition: 0, offset: '0' }]),
    KafkaJSNonRetriableError,
  );
  await settle(maker.run({ eachMessage: async () => {} }));
  await assert.rejects(maker.subscribe({ topics: ['more'] }), /while consumer is running/);
  await settle(Promise.all([maker.disconnect(), other.disconnect()]));
  await end();
});

test('a batch is all that one answer has; what is resolved is committed, the rest comes again', async () => {
  const { reader, send, until, settle, committed, end } = await stage();
  await send('t', 0, ['10']);
  const consumer = await reader();
  const batches: string[][] = [];
  const facts: unknown[] = [];
  await settle(
    consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, uncommittedOffsets, isRunning, isStale }) => {
        batches.push(batch.messages.map(textOf));
        facts.push([
          [
            batch.firstOffset(),
            batch.lastOffset(),
            batch.highWatermark,
            batch.offsetLag(),
            batch.offsetLagLow(),
          ],
          [batch.isEmpty(), isRunning(), isStale()],
        ]);
        for (const { offset } of batch.messages.slice(0, 6)) {
          resolveOffset(offset);
          await heartbeat();
        }
        facts.push(uncommittedOffsets());
      },
    }),
  );
  await until('all is resolved', () => batches.length === 2);
  await settle(consumer.disconnect());
  assert.deepEqual(
    batches.map((one) => one.join()),
    ['0,1,2,3,4,5,6,7,8,9,10', '6,7,8,9,10'],
  );
  assert.deepEqual(facts, [
    [
      ['0', '10', '11', '0', '10'],
      [false, true, false],
    ],
    { topics: [{ topic: 't', partitions: [{ partition: 0, offset: '6' }] }] },
    [
      ['6', '10', '11', '0', '4'],
      [false, true, false],
    ],
    { topics: [{ topic: 't', partitions: [{ partition: 0, offset: '11' }] }] },
  ]);
  assert.equal(await committed(), '11');
  await end();
});

test('commits: after so many messages, after a time, by hand, or not at all', async () => {
  const { reader, until, sleep, settle, committed, end } = await stage();
  const commits: string[] = [];
  const consume = async (
    config: ConsumerRunConfig,
    each: (consumer: Consumer, offset: string) => Promise<void>,
  ) => {
    commits.length = 0;
    const consumer = await reader();
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) =>
      commits.push(payload.topics[0]!.partitions[0]!.offset),
    );
    let count = 0;
    const running = consumer.run({
      ...config,
      eachMessage: async ({ message }) => {
        await each(consumer, message.offset);
        count += 1;
      },
    });
    consumer.seek({ topic: 't', partition: 0, offset: '0' });
    await settle(running);
    await until('all are seen', () => count === 10);
    await settle(consumer.disconnect());
  };
  await consume({ autoCommit: false }, async () => {});
  assert.deepEqual([commits, await committed()], [[], '-1']);
  await consume({ autoCommit: false }, (consumer, offset) =>
    offset === '4'
      ? consumer.commitOffsets([{ topic: 't', partition: 0, offset: '5', metadata: 'm' }])
      : Promise.resolve(),
  );
  assert.deepEqual([commits, await committed()], [['5'], '5']);
  await consume({ autoCommitThreshold: 4 }, async () => {});
  assert.deepEqual(commits, ['4', '8', '10']);
  await consume({ autoCommitInterval: 100 }, () => sleep(30));
  assert.deepEqual([commits.length, commits.at(-1)], [3, '10']);
  await end();
});

test('a handler that fails is tried again from there; after so many tries the consumer crashes and begins again', async () => {
  const { reader, until, settle, committed, end } = await stage();
  const consumer = await reader();
  const [seen, crashes]: [string[], unknown[]] = [[], []];
  consumer.on(consumer.events.CRASH, ({ payload: { error, groupId, restart } }) =>
    crashes.push([error.name, (error.cause as Error).message, groupId, restart]),
  );
  await settle(
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.push(textOf(message));
        if (textOf(message) === '3' && seen.length < 10) throw new Error('not now');
      },
    }),
  );
  await until('all are seen', () => seen.at(-1) === '9');
  assert.deepEqual(crashes, [['KafkaJSNumberOfRetriesExceeded', 'not now', 'g', true]]);
  assert.equal(seen.join(''), `012${'3'.repeat(7)}456789`);
  await settle(consumer.disconnect());
  assert.equal(await committed(), '10');
  await end();
});

test('a mistake ends the consumer, and so does an application that wants no restart', async () => {
  const { reader, until, settle, committed, end, log } = await stage();
  const crashed = async (config: Partial<ConsumerConfig>, fails: () => never): Promise<unknown> => {
    const consumer = await reader(config);
    let crash: unknown;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      crash = [payload.error.name, payload.error.message, payload.restart];
    });
    await settle(
      consumer.run({ eachMessage: async ({ message }) => (textOf(message) === '2' ? fails() : undefined) }),
    );
    await until('it has crashed', () => crash !== undefined);
    await settle(consumer.disconnect());
    return crash;
  };
  const mistake = await crashed({}, () => {
    throw new TypeError('a mistake');
  });
  assert.deepEqual(mistake, ['KafkaJSNonRetriableError', 'a mistake', false]);
  const unwanted = await crashed({ retry: { retries: 0, restartOnFailure: async () => false } }, () => {
    throw new Error('enough');
  });
  assert.deepEqual(unwanted, ['KafkaJSNumberOfRetriesExceeded', 'enough', false]);
  assert.equal(await committed(), '2');
  assert.ok(
    log.some(({ level, log: entry }) => level === logLevel.ERROR && /Crash: .*: enough/.test(entry.message)),
  );
  await end();
});

test('stopping does not wait for the next try, and an assigner that cannot be made is a crash', async () => {
  const { reader, consumer, until, settle, end, world } = await stage();
  const failing = await reader({ retry: { initialRetryTime: 60_000, maxRetryTime: 60_000, retries: 5 } });
  let tries = 0;
  const eachMessage = async (): Promise<void> => {
    tries += 1;
    throw new Error('not now');
  };
  await settle(failing.run({ eachMessage }));
  await until('it was tried', () => tries === 1);
  const { time } = world.ports;
  const beforeMs = time.nowMs();
  await settle(failing.disconnect());
  assert.ok(time.nowMs() - beforeMs < 10_000, 'the pause is left');
  const partitionAssigners = [
    () => {
      throw new TypeError('no such assigner');
    },
  ];
  const broken = consumer({ partitionAssigners });
  const crashes: string[] = [];
  broken.on(broken.events.CRASH, ({ payload }) =>
    crashes.push(`${payload.error.message} ${payload.restart}`),
  );
  await settle(broken.subscribe({ topic: 't' }));
  await settle(broken.run({ eachMessage }));
  assert.deepEqual(crashes, ['no such assigner false']);
  await settle(broken.disconnect());
  await end();
});

test('pausing: a partition by its handler, topics by name, before and after they are given', async () => {
  const { reader, until, sleep, settle, send, end } = await stage();
  const consumer = await reader();
  const seen: string[] = [];
  let resume: (() => void) | undefined;
  const running = consumer.run({
    eachMessage: async ({ message, pause }) => {
      seen.push(textOf(message));
      if (seen.length === 3) resume = pause();
    },
  });
  consumer.pause([{ topic: 't' }]);
  await settle(running);
  await settle(sleep(500));
  assert.deepEqual([seen, consumer.paused()], [[], [{ topic: 't', partitions: [0] }]]);
  consumer.resume([{ topic: 't' }]);
  await until('the handler pauses', () => resume !== undefined);
  await settle(sleep(500));
  assert.deepEqual([seen.join(), consumer.paused()], ['0,1,2', [{ topic: 't', partitions: [0] }]]);
  resume!();
  await until('all are seen', () => seen.length === 10);
  assert.deepEqual(consumer.paused(), []);
  await send('t', 0, ['10']);
  await until('the new one is seen', () => seen.length === 11);
  assert.throws(() => consumer.pause([{ topic: '' }]), KafkaJSNonRetriableError);
  assert.throws(() => consumer.resume([{ topic: 't', partitions: 7 as never }]), KafkaJSNonRetriableError);
  await settle(consumer.disconnect());
  await end();
});

test('seeking: at once after run, from a handler, and to the ends', async () => {
  const { reader, until, settle, committed, end } = await stage();
  const consumer = await reader();
  const seen: string[] = [];
  const running = consumer.run({
    eachMessage: async ({ message }) => {
      seen.push(textOf(message));
      if (seen.length === 3) consumer.seek({ topic: 't', partition: 0, offset: '1' });
    },
  });
  consumer.seek({ topic: 't', partition: 0, offset: '7' });
  await settle(running);
  await until('it has come to the end', () => seen.length === 12);
  assert.equal(seen.join(''), '789123456789');
  consumer.seek({ topic: 't', partition: 0, offset: '-2' });
  await until('it has come to the end again', () => seen.length === 22);
  assert.equal(seen.slice(12).join(''), '0123456789');
  consumer.seek({ topic: 't', partition: 0, offset: '4' });
  assert.throws(() => consumer.seek({ topic: 't', partition: 0, offset: '-3' }), /negative/);
  assert.throws(() => consumer.seek({ topic: 't', partition: 0, offset: 'x' }), /Invalid offset/);
  await settle(consumer.stop());
  assert.equal(await committed(), '4');
  await settle(consumer.disconnect());
  await end();
});

test('partitions are worked on side by side, each in its order', async () => {
  const { reader, until, sleep, settle, end } = await stage(4);
  const consumer = await reader();
  const active = new Set<number>();
  const seen = new Map<number, string[]>();
  let most = 0;
  await settle(
    consumer.run({
      partitionsConsumedConcurrently: 3,
      eachMessage: async ({ partition, message }) => {
        assert.ok(!active.has(partition));
        active.add(partition);
        most = Math.max(most, active.size);
        await sleep(10 + partition);
        active.delete(partition);
        seen.set(partition, [...(seen.get(partition) ?? []), textOf(message)]);
      },
    }),
  );
  await until('all are seen', () => [...seen.values()].flat().length === 40);
  assert.equal(most, 3);
  for (const values of seen.values()) assert.equal(values.join(''), '0123456789');
  await settle(consumer.disconnect());
  await end();
});

test('members share the topic; who works when the group is balanced anew is told, and nothing is lost', async () => {
  const { reader, until, sleep, settle, send, end } = await stage(2);
  const seen: string[] = [];
  const told: string[] = [];
  const start = async (name: string): Promise<Consumer> => {
    const consumer = await reader();
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
      told.push(`${name} ${payload.groupProtocol} ${JSON.stringify(payload.memberAssignment)}`),
    );
    consumer.on(consumer.events.REBALANCING, ({ payload }) =>
      told.push(`${name} rebalancing ${payload.groupId}`),
    );
    void consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
        for (const message of batch.messages) {
          await sleep(200);
          await heartbeat();
          seen.push(`${batch.partition}:${textOf(message)}`);
          resolveOffset(message.offset);
        }
      },
    });
    return consumer;
  };
  const first = await start('first');
  await until('the first one works', () => seen.length >= 3);
  const second = await start('second');
  await until('both have joined', () => told.filter((one) => /\[/.test(one)).length === 3);
  await send('t', 0, ['10']);
  await send('t', 1, ['10']);
  await until('all are seen', () => seen.length === 22);
  assert.equal(new Set(seen).size, 22);
  assert.deepEqual(told[0], 'first RoundRobinAssigner {"t":[0,1]}');
  assert.ok(told.includes('first rebalancing g'));
  assert.deepEqual(
    told
      .slice(2)
      .map((one) => one.slice(-9))
      .sort(),
    ['{"t":[0]}', '{"t":[1]}'],
  );
  const { members, state, protocol } = await settle(first.describeGroup());
  assert.deepEqual([state, protocol, members.length], ['Stable', 'RoundRobinAssigner', 2]);
  const assigned = members.map(({ memberAssignment }) =>
    AssignerProtocol.MemberAssignment.decode(memberAssignment),
  );
  assert.deepEqual(assigned.flatMap((one) => one!.assignment.t!).sort(), [0, 1]);
  const [metadata] = members.map(({ memberMetadata }) =>
    AssignerProtocol.MemberMetadata.decode(memberMetadata),
  );
  assert.deepEqual(metadata!.topics, ['t']);
  await settle(Promise.all([first.disconnect(), second.disconnect()]));
  await end();
});

test("an assigner of the application's own decides, with what members tell it", async () => {
  const { reader, until, settle, end } = await stage(3);
  const decoded: string[] = [];
  const assigner =
    (wish: string): PartitionAssigner =>
    ({ cluster, groupId }) => ({
      name: 'Wishes',
      version: 1,
      protocol: ({ topics }) => ({
        name: 'Wishes',
        metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData: Buffer.from(wish) }),
      }),
      assign: async ({ members, topics }) => {
        const wishes = members.map(({ memberId, memberMetadata }) => ({
          memberId,
          wish: String(AssignerProtocol.MemberMetadata.decode(memberMetadata)!.userData),
        }));
        decoded.push(
          `${groupId} ${topics.join()} ${wishes
            .map((one) => one.wish)
            .sort()
            .join()}`,
        );
        return wishes.map((one) => ({
          memberId: one.memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: 1,
            assignment: {
              t:
                one.wish === 'all'
                  ? cluster.findTopicPartitionMetadata('t').map(({ partitionId }) => partitionId)
                  : [],
            },
          }),
        }));
      },
    });
  const joined: string[] = [];
  const start = async (wish: string): Promise<Consumer> => {
    const consumer = await reader({ partitionAssigners: [assigner(wish)] });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
      joined.push(`${wish} ${Object.values(payload.memberAssignment).flat().join()}`),
    );
    await settle(consumer.run({ eachMessage: async () => {} }));
    return consumer;
  };
  const nothing = await start('nothing');
  const all = await start('all');
  await until('the second has all', () => joined.includes('all 0,1,2'));
  assert.deepEqual(decoded, ['g t nothing', 'g t all,nothing']);
  await settle(Promise.all([nothing.disconnect(), all.disconnect()]));
  await end();
});

test('heartbeats, batches and fetches are told; stop and run may be called again', async () => {
  const { reader, until, settle, send, end } = await stage();
  const consumer = await reader();
  const told = new Map<string, unknown[]>();
  for (const name of Object.values(consumer.events)) {
    consumer.on(name, ({ type, payload }) => {
      const list = told.get(type) ?? [];
      told.set(type, list);
      list.push(payload);
    });
  }
  let count = 0;
  const run = (): Promise<void> => settle(consumer.run({ eachMessage: async () => void (count += 1) }));
  await run();
  await run();
  await until('a heartbeat is answered', () => told.has(consumer.events.HEARTBEAT));
  await until('all are seen', () => count === 10);
  await settle(consumer.stop());
  await send('t', 0, ['10']);
  await run();
  await until('the new one is seen', () => count === 11);
  await settle(consumer.disconnect());
  const sizes = (name: string): number => told.get(name)!.length;
  const { START_BATCH_PROCESS, END_BATCH_PROCESS, STOP, FETCH, FETCH_START, GROUP_JOIN, DISCONNECT } =
    consumer.events;
  assert.deepEqual(
    [START_BATCH_PROCESS, END_BATCH_PROCESS, STOP, GROUP_JOIN, DISCONNECT].map(sizes),
    [2, 2, 2, 2, 1],
  );
  assert.ok(sizes(FETCH) > 0 && sizes(FETCH_START) >= sizes(FETCH));
  const [batch] = told.get(END_BATCH_PROCESS) as Record<string, unknown>[];
  const { duration, ...about } = batch!;
  assert.ok(Number(duration) >= 0);
  assert.deepEqual(about, {
    topic: 't',
    partition: 0,
    highWatermark: '10',
    offsetLag: '0',
    offsetLagLow: '9',
    batchSize: 10,
    firstOffset: '0',
    lastOffset: '9',
  });
  await end();
});

test('the marks of transactions are dealt with by the message before them, and none of the aborted is seen', async () => {
  const { reader, kafka, until, sleep, settle, committed, end } = await stage();
  const producer = kafka.producer({ transactionalId: 'x' });
  await settle(producer.connect());
  for (const isKept of [false, true]) {
    const transaction = await settle(producer.transaction());
    await settle(transaction.send({ topic: 't', messages: [{ value: isKept ? 'kept' : 'lost' }] }));
    await settle(isKept ? transaction.commit() : transaction.abort());
  }
  const consumer = await reader();
  const seen: string[] = [];
  await settle(
    consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset }) => {
        seen.push(...batch.messages.map(textOf));
        resolveOffset(batch.messages.at(-1)!.offset);
      },
    }),
  );
  await until('all are seen', () => seen.length === 11);
  assert.equal(seen.at(-1), 'kept');
  assert.equal(await committed(), '14');
  const lost = await settle(producer.transaction());
  await settle(lost.send({ topic: 't', messages: [{ value: 'lost' }] }));
  await settle(lost.abort());
  await settle(sleep(500));
  assert.equal(await committed(), '16', 'what is left out is committed with a heartbeat');
  await settle(consumer.disconnect());
  assert.equal(seen.length, 11);
  await settle(producer.disconnect());
  await end();
});
