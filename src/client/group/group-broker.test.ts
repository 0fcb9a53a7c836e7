// Members of groups against the real broker, on simulated ports: each member a process of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWorld, type TestWorld } from '../../broker/test-client.ts';
import { Client, type Assignor, type Consumer, type ConsumerOptions, type GroupObserver } from '../client.ts';
import { clientPorts } from '../test-cluster.ts';

const PARTITIONS = 6;

/** A member that reads on in its own loop. */
class Member {
  readonly consumer: Consumer;
  readonly client: Client;
  readonly taken: string[] = [];
  readonly events: string[] = [];
  readonly ended: Promise<unknown>;
  /** What it does with a record besides. */
  onRecord: (member: Member) => Promise<void> = () => Promise.resolve();

  constructor(client: Client, options: ConsumerOptions) {
    this.client = client;
    const note = (what: string) => (list: readonly { partition: number }[]) =>
      void this.events.push(`${what} ${list.map(({ partition }) => partition).join()}`);
    this.consumer = client.consumer({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      maxWaitMs: 50,
      heartbeatIntervalMs: 200,
      onAssigned: note('assigned'),
      onRevoked: note('revoked'),
      onLost: note('lost'),
      ...options,
    });
    this.ended = this.#run().catch((error: unknown) => error);
  }

  get held(): number[] {
    return this.consumer.assignment().map(({ partition }) => partition);
  }

  async #run(): Promise<void> {
    for await (const record of this.consumer) {
      this.taken.push(`${record.partition}:${record.text}`);
      await this.onRecord(this);
    }
  }
}

class Scene {
  readonly world: TestWorld;
  readonly members: Member[] = [];
  readonly sent: string[] = [];
  readonly #clients: Client[] = [];
  #waves = 0;

  private constructor(world: TestWorld) {
    this.world = world;
  }

  static async start(): Promise<Scene> {
    const { world, client } = await testWorld({
      'advertised.listeners': 'PLAINTEXT://broker:19092',
      'group.initial.rebalance.delay.ms': '0',
      'group.min.session.timeout.ms': '1000',
    });
    await client.createTopic('t', { numPartitions: PARTITIONS });
    return new Scene(world);
  }

  client(): Client {
    const { time, wires } = this.world.ports;
    const client = new Client({
      bootstrap: 'broker:19092',
      ports: clientPorts({ time, wires }, `client${this.#clients.length}`),
    });
    this.#clients.push(client);
    return client;
  }

  join(options: ConsumerOptions = {}): Member {
    const member = new Member(this.client(), options);
    this.members.push(member);
    return member;
  }

  /** Ten records for each partition. */
  async send(): Promise<void> {
    const client = this.client();
    const wave = this.#waves++;
    const records = Array.from({ length: 10 * PARTITIONS }, (_, n) => ({
      topic: 't',
      partition: n % PARTITIONS,
      value: `${wave}-${n}`,
    }));
    await this.settle(client.producer({ batchBytes: 100 }).sendAll(records));
    this.sent.push(...records.map(({ partition, value }) => `${partition}:${value}`));
    await this.settle(client.close());
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.world.ports.time.settle(promise);
  }

  async until(what: string, condition: () => boolean, withinMs = 60_000): Promise<void> {
    const held = (): string =>
      this.members.map((one) => `${one.held.join()} [${one.events.join('; ')}]`).join(' | ');
    assert.ok(await this.world.ports.time.runUntil(condition, withinMs), `${what}; held: ${held()}`);
  }

  /** Each of these holds something, and together they hold all once. */
  share(...members: Member[]): Promise<void> {
    return this.until(`${members.length} members share`, () => {
      const held = members.map((one) => one.held);
      return held.every(({ length }) => length > 0) && String(held.flat().sort()) === '0,1,2,3,4,5';
    });
  }

  get taken(): string[] {
    return this.members.flatMap((one) => one.taken);
  }

  consumed(): Promise<void> {
    return this.until('everything is consumed', () => new Set(this.taken).size === this.sent.length);
  }

  async end(): Promise<void> {
    await this.settle(Promise.all(this.#clients.map((client) => client.close())));
    await this.settle(Promise.all(this.members.map((one) => one.ended)));
    await this.world.stop();
  }
}

for (const assignors of [
  ['cooperative-sticky'],
  ['range'],
  ['roundrobin'],
  ['range', 'cooperative-sticky'],
] as const) {
  test(`members come and go, every record is consumed once (${assignors.join(', ')})`, async () => {
    const scene = await Scene.start();
    await scene.send();
    const one = scene.join({ assignors });
    await scene.share(one);
    await scene.consumed();
    const two = scene.join({ assignors });
    await scene.share(one, two);
    await scene.send();
    await scene.consumed();
    const three = scene.join({ assignors });
    await scene.share(one, two, three);
    await scene.send();
    await scene.consumed();
    await scene.settle(two.consumer.close());
    await scene.share(one, three);
    await scene.send();
    await scene.consumed();
    await scene.settle(Promise.all([one.consumer.close(), three.consumer.close()]));
    const four = scene.join({ assignors });
    await scene.share(four);
    await scene.send();
    await scene.consumed();
    assert.deepEqual(scene.taken.sort(), scene.sent.sort(), 'once each');
    await scene.end();
  });
}

test('a member that commits each record is never refused while others come and go', async () => {
  const scene = await Scene.start();
  const join = (): Member => {
    const member = scene.join({ autoCommit: false });
    member.onRecord = () => member.consumer.commit();
    return member;
  };
  const one = join();
  await scene.share(one);
  for (let round = 0; round < 4; round++) {
    const sending = scene.send();
    const two = join();
    await sending;
    await scene.share(one, two);
    await scene.consumed();
    await scene.settle(two.consumer.close());
    assert.equal(await scene.settle(two.ended), undefined);
    await scene.share(one);
  }
  assert.deepEqual(scene.taken.sort(), scene.sent.sort(), 'once each');
  await scene.end();
});

test('with cooperative-sticky a member keeps what it goes on with', async () => {
  const scene = await Scene.start();
  const one = scene.join();
  await scene.share(one);
  const two = scene.join();
  await scene.share(one, two);
  assert.deepEqual(one.events, ['assigned 0,1,2,3,4,5', 'revoked 3,4,5']);
  assert.deepEqual(two.events, ['assigned 3,4,5']);
  await scene.settle(two.consumer.close());
  await scene.share(one);
  assert.deepEqual(one.events.slice(2), ['assigned 3,4,5']);
  await scene.end();
});

test('a member that dies is missed after its session, and its place is taken where it committed', async () => {
  const scene = await Scene.start();
  const options = { sessionTimeoutMs: 3_000, autoCommitIntervalMs: 100 };
  const one = scene.join(options);
  const two = scene.join(options);
  await scene.share(one, two);
  await scene.send();
  await scene.consumed();
  await scene.world.ports.time.advance(1_000);
  scene.world.ports.wires.down('client1', { powerCut: true });
  two.consumer.pause();
  await scene.until('one has all', () => one.held.length === PARTITIONS);
  await scene.send();
  await scene.consumed();
  assert.deepEqual(
    one.taken.filter((value) => two.taken.includes(value)),
    [],
  );
  await scene.settle(one.client.close());
});

test('a static member that comes back in time finds its place, and nobody notices (KIP-345)', async () => {
  const scene = await Scene.start();
  const one = scene.join({ instanceId: 'one' });
  const two = scene.join({ instanceId: 'two' });
  await scene.share(one, two);
  const { held } = two;
  const before = one.events.length;
  await scene.settle(two.consumer.close());
  const again = scene.join({ instanceId: 'two' });
  await scene.until('it is back', () => again.held.length === held.length);
  assert.deepEqual(again.held, held);
  assert.equal(one.events.length, before);
  const thief = scene.join({ instanceId: 'one' });
  const ended = await scene.settle(one.ended);
  assert.match(String(ended), /FENCED_INSTANCE_ID/);
  await scene.settle(thief.consumer.close());
  await scene.end();
});

test('who does not ask for records leaves the group, and is back when it asks again', async () => {
  const scene = await Scene.start();
  const one = scene.join({ pollIntervalMsMax: 5_000 });
  await scene.share(one);
  let release = (): void => {};
  one.onRecord = () => new Promise<void>((resolve) => (release = resolve));
  await scene.send();
  const two = scene.join({ pollIntervalMsMax: 5_000 });
  await scene.until('two has all', () => two.held.length === PARTITIONS);
  one.onRecord = () => Promise.resolve();
  release();
  await scene.share(one, two);
  assert.ok(one.events.includes('lost 0,1,2,3,4,5'), one.events.join('; '));
  await scene.end();
});

test('a commit after the group has gone on is refused', async () => {
  const scene = await Scene.start();
  const one = scene.join({ pollIntervalMsMax: 3_000, autoCommit: false });
  await scene.share(one);
  let commit: unknown;
  one.onRecord = async () => {
    one.onRecord = () => Promise.resolve();
    await new Promise<void>((resolve) => scene.world.ports.time.schedule(10_000, resolve));
    commit = await one.consumer.commit().catch((error: unknown) => error);
  };
  await scene.send();
  const two = scene.join({ autoCommit: false });
  await scene.until('it was tried', () => commit !== undefined);
  assert.match(String(commit), /UNKNOWN_MEMBER_ID|ILLEGAL_GENERATION/);
  await scene.settle(two.consumer.close());
  await scene.end();
});

test('a member that was lost commits nothing, though the group is empty and others have read on', async () => {
  const scene = await Scene.start();
  await scene.send();
  const { wires, time } = scene.world.ports;
  const client = scene.client();
  const options = { heartbeatIntervalMs: 200, sessionTimeoutMs: 2_000, maxWaitMs: 50 };
  const member = { group: 'g', topics: ['t'], from: 'earliest', autoCommit: false } as const;
  const lost = client.consumer({ ...member, ...options });
  const { partition } = (await scene.settle(lost.poll()))!;
  const at = { topic: 't', partition };
  wires.block('client1', 'broker');
  wires.block('broker', 'client1');
  const other = scene.client().consumer({ ...member, ...options });
  for (let taken = 0; taken < scene.sent.length;) {
    taken += (await scene.settle(other.poll()))!.records.length;
  }
  await scene.settle(other.commit());
  await scene.settle(other.close());
  wires.heal();
  await time.advance(5_000);
  await assert.rejects(scene.settle(lost.commit([{ ...at, offset: 1 }])), /UNKNOWN_MEMBER_ID/);
  const producer = client.transactionalProducer({ transactionalId: 'x' });
  const transaction = await scene.settle(producer.begin());
  const sending = transaction.sendOffsets(lost.offsetOwner, [{ ...at, offset: 1 }]);
  await assert.rejects(scene.settle(sending), /UNKNOWN_MEMBER_ID/);
  await scene.settle(transaction.abort());
  const offsets = await scene.settle(client.admin().groupOffsets('g'));
  assert.equal(offsets.find((one) => one.partition === partition)?.offset, 10);
  await scene.end();
});

test('a group goes on over restarts of its coordinator', async () => {
  const scene = await Scene.start();
  const one = scene.join({ autoCommitIntervalMs: 100 });
  const two = scene.join({ autoCommitIntervalMs: 100 });
  await scene.share(one, two);
  for (const kill of [false, true]) {
    await scene.send();
    await scene.consumed();
    await scene.world.ports.time.advance(1_000);
    await scene.world.restart({ kill });
  }
  await scene.send();
  await scene.consumed();
  await scene.share(one, two);
  assert.deepEqual(scene.taken.sort(), scene.sent.sort());
  await scene.end();
});

test('partitions that are added, and topics that are made later, are shared', async () => {
  const scene = await Scene.start();
  const client = scene.client();
  const consumer = client.consumer({
    group: 'later',
    topics: ['later'],
    from: 'earliest',
    heartbeatIntervalMs: 200,
  });
  const read = consumer.poll();
  await scene.world.ports.time.advance(5_000);
  assert.deepEqual(consumer.assignment(), []);
  await (await scene.world.connect()).createTopic('later', { numPartitions: 2 });
  await scene.settle(client.producer().send({ topic: 'later', value: 'v' }));
  assert.equal((await scene.settle(read))!.records[0]!.text, 'v');
  assert.equal(consumer.assignment().length, 2);
  await scene.end();
});

test('a pattern finds topics that are there and those that come, and no internal ones', async () => {
  const scene = await Scene.start();
  const { world } = scene;
  const client = new Client({
    bootstrap: 'broker:19092',
    ports: clientPorts(world.ports, 'patterns'),
    metadataMaxAgeMs: 5_000,
  });
  const consumer = client.consumer({
    group: 'patterns',
    topics: [/^t|^_/g, 'named'],
    from: 'earliest',
    maxWaitMs: 50,
    heartbeatIntervalMs: 200,
  });
  const seen: string[] = [];
  const run = consumer.run({ onRecord: ({ topic, text }) => void seen.push(`${topic} ${text}`) });
  const topics = (): string[] => [...new Set(consumer.assignment().map(({ topic }) => topic))];
  await scene.until('the topic is read', () => topics().join() === 't');
  const producer = client.producer();
  for (const topic of ['t2', 'named', 'other']) {
    await scene.settle(producer.send({ topic, value: 'x' }));
  }
  await scene.until('new topics are read', () => seen.length === 2);
  assert.deepEqual(
    [seen.sort(), topics()],
    [
      ['named x', 't2 x'],
      ['named', 't', 't2'],
    ],
  );
  await scene.settle(client.close());
  await scene.settle(run);
  await scene.end();
});

for (const name of ['onAssigned', 'onRevoked'] as const) {
  test(`what ${name} throws is told to who reads, who may go on`, async () => {
    const scene = await Scene.start();
    await scene.send();
    let failures = 0;
    const consumer = scene.client().consumer({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      maxWaitMs: 50,
      heartbeatIntervalMs: 200,
      [name]() {
        failures += 1;
        if (failures === 1) throw new Error('not now');
      },
    });
    let error: unknown;
    let taken = 0;
    const read = async (): Promise<void> => {
      for await (const record of consumer) if (record.offset >= 0 && ++taken === 10 * PARTITIONS) return;
    };
    if (name === 'onRevoked') {
      await scene.settle(read());
      scene.join();
      await scene.settle(read().catch((caught: unknown) => (error = caught)));
    } else await scene.settle(read().catch((caught: unknown) => (error = caught)));
    assert.match(String(error), new RegExp(`CALLBACK_FAILED: ${name}: not now`));
    taken = 0;
    if (name === 'onAssigned') await scene.settle(read());
    await scene.settle(consumer.close());
    await scene.end();
  });
}

test("an assignor of the user's own may take its time, and sees what members tell of themselves", async () => {
  const scene = await Scene.start();
  const seen: string[][] = [];
  const told: string[] = [];
  const assignor = (name: string): Assignor => ({
    name: 'by-wish',
    isCooperative: false,
    userData: (topics) => Buffer.from(`${name} ${topics.join()}`),
    async assign(members, partitionCounts) {
      await Promise.resolve();
      seen.push(members.map(({ userData }) => String(userData)).sort());
      const [first] = [...members].sort((a, b) => Buffer.compare(a.userData!, b.userData!));
      const all = Array.from({ length: partitionCounts.get('t')! }, (_, partition) => ({
        topic: 't',
        partition,
      }));
      return new Map([[first!.memberId, all]]);
    },
  });
  const observer: GroupObserver = {
    onRebalance: () => told.push('rebalance'),
    onJoined: ({ memberId, leaderId, generation, protocol, partitions }) =>
      told.push(`joined ${generation} ${protocol} ${partitions.length} ${memberId === leaderId}`),
    onHeartbeat: () => told.at(-1) !== 'heartbeat' && told.push('heartbeat'),
  };
  const second = scene.join({ assignors: [assignor('b')], observer });
  await scene.until('the first to come has all', () => second.held.length === PARTITIONS);
  await scene.until('its heartbeat is answered', () => told.includes('heartbeat'));
  const first = scene.join({ assignors: [assignor('a')] });
  await scene.until(
    'the other one has all',
    () => first.held.length === PARTITIONS && second.held.length === 0,
  );
  assert.deepEqual(seen, [['b t'], ['a t', 'b t']]);
  assert.deepEqual(told.slice(0, 4), [
    'joined 1 by-wish 6 true',
    'heartbeat',
    'rebalance',
    'joined 2 by-wish 0 true',
  ]);
  await scene.end();
});
