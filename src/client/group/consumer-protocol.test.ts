// A member in the consumer protocol (KIP-848) against a coordinator that says what the test wants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { Client, type ConsumerOptions } from '../client.ts';
import { BREAK, TestCluster } from '../test-cluster.ts';

const FETCH = 1;
const COMMIT = 8;
const OFFSETS = 9;
const FIND = 10;
const HEARTBEAT = 68;

interface Heartbeat {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly subscribedTopicNames: string[] | null;
  readonly topicPartitions: { topicId: string; partitions: number[] }[] | null;
  readonly serverAssignor: string | null;
  readonly rebalanceTimeoutMs: number;
}

class Scene {
  readonly cluster = new TestCluster();
  readonly events: string[] = [];
  readonly client: Client;
  epoch = 1;
  /** Told with the next answer. */
  assignment: number[] | undefined = [0, 1];
  /** For the next heartbeats, oldest first. */
  readonly refusals: (number | typeof BREAK)[] = [];
  readonly topicId: string;

  constructor() {
    const { cluster } = this;
    this.topicId = cluster.topic('t', [0, 0, 0]).id;
    this.client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
    const here = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
    cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...here, coordinators: [{ key: 'g', ...here }] }));
    cluster.handlers.set(OFFSETS, ({ body }) => ({
      throttleTimeMs: 0,
      groups: [{ groupId: 'g', topics: [], errorCode: 0 }],
      topics: body.topics,
      errorCode: 0,
    }));
    cluster.handlers.set(COMMIT, ({ body }) => ({
      throttleTimeMs: 0,
      topics: body.topics.map((topic: { partitions: { partitionIndex: number }[] }) => ({
        ...topic,
        partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 0 })),
      })),
    }));
    cluster.handlers.set(FETCH, async ({ body }) => {
      await new Promise<void>((resolve) => void cluster.time.schedule(body.maxWaitMs, resolve));
      return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses: [] };
    });
    cluster.handlers.set(HEARTBEAT, ({ body }) => {
      const refusal = this.refusals.shift();
      if (refusal === BREAK) return BREAK;
      const isLeaving = body.memberEpoch < 0;
      const assignment =
        refusal !== undefined || isLeaving || this.assignment === undefined
          ? null
          : { topicPartitions: [{ topicId: this.topicId, partitions: this.assignment }] };
      if (assignment !== null) this.assignment = undefined;
      return {
        throttleTimeMs: 0,
        errorCode: refusal ?? 0,
        errorMessage: refusal === undefined ? null : 'because',
        memberId: body.memberId,
        memberEpoch: isLeaving ? body.memberEpoch : this.epoch,
        heartbeatIntervalMs: 1_000,
        assignment,
      };
    });
  }

  get heartbeats(): Heartbeat[] {
    return this.cluster.requests(HEARTBEAT);
  }

  join(options: Partial<ConsumerOptions> = {}) {
    const note = (what: string) => (list: readonly { partition: number }[]) =>
      void this.events.push(`${what} ${list.map(({ partition }) => partition).join()}`);
    const consumer = this.client.consumer({
      group: 'g',
      topics: ['t'],
      from: 0,
      maxWaitMs: 500,
      protocol: 'consumer',
      onAssigned: note('assigned'),
      onRevoked: note('revoked'),
      onLost: note('lost'),
      ...options,
    });
    const polled = consumer.poll({ timeoutMs: 600_000 });
    polled.catch(() => {});
    return { consumer, polled };
  }

  /** What the member says it has, whenever it says so. */
  owned(): (number[] | undefined)[] {
    return this.heartbeats
      .filter(({ topicPartitions }) => topicPartitions !== null)
      .map(({ topicPartitions }) => topicPartitions![0]?.partitions);
  }
}

test('a member joins with all that is to say, takes what it is given, and says so; later only what is new', async () => {
  const scene = new Scene();
  const { consumer } = scene.join({ serverAssignor: 'range', pollIntervalMsMax: 60_000 });
  await scene.cluster.time.advance(3_500);
  const [join, taken, ...later] = scene.heartbeats;
  assert.deepEqual(
    [join!.memberEpoch, join!.subscribedTopicNames, join!.topicPartitions, join!.serverAssignor],
    [0, ['t'], [], 'range'],
  );
  assert.equal(join!.rebalanceTimeoutMs, 60_000);
  assert.match(join!.memberId, /^[\w-]{22}$/);
  assert.deepEqual([taken!.memberEpoch, taken!.subscribedTopicNames], [1, null]);
  assert.deepEqual(scene.owned(), [undefined, [0, 1]]);
  assert.ok(later.length >= 2);
  for (const one of later) {
    assert.deepEqual([one.subscribedTopicNames, one.topicPartitions, one.serverAssignor], [null, null, null]);
  }
  assert.deepEqual(scene.events, ['assigned 0,1']);
  scene.epoch = 2;
  scene.assignment = [1, 2];
  await scene.cluster.time.advance(2_000);
  assert.deepEqual(scene.events, ['assigned 0,1', 'revoked 0', 'assigned 2']);
  assert.deepEqual(scene.owned().at(-1), [1, 2]);
  await scene.cluster.settle(consumer.close());
  assert.equal(scene.heartbeats.at(-1)!.memberEpoch, -1);
  await scene.cluster.settle(scene.client.close());
});

test('who is fenced loses what it had, and joins anew', async () => {
  const scene = new Scene();
  scene.join();
  await scene.cluster.time.advance(1_500);
  for (const code of [Errors.FENCED_MEMBER_EPOCH, Errors.UNKNOWN_MEMBER_ID]) {
    scene.events.length = 0;
    const before = scene.heartbeats.length;
    scene.refusals.push(code);
    scene.assignment = [2];
    await scene.cluster.time.advance(2_500);
    const had = code === Errors.FENCED_MEMBER_EPOCH ? '0,1' : '2';
    assert.deepEqual(scene.events, [`lost ${had}`, 'assigned 2']);
    assert.equal(scene.heartbeats[before + 1]!.memberEpoch, 0);
  }
  await scene.cluster.settle(scene.client.close());
});

test('a heartbeat without an answer is sent again with all that it had to say', async () => {
  const scene = new Scene();
  scene.refusals.push(BREAK, Errors.COORDINATOR_LOAD_IN_PROGRESS, Errors.NOT_COORDINATOR);
  const { consumer } = scene.join();
  await scene.cluster.time.advance(5_000);
  assert.deepEqual(scene.events, ['assigned 0,1']);
  const joins = scene.heartbeats.filter(({ memberEpoch }) => memberEpoch === 0);
  assert.equal(joins.length, 4);
  for (const one of joins) assert.deepEqual(one.subscribedTopicNames, ['t']);
  assert.equal(new Set(joins.map(({ memberId }) => memberId)).size, 1);
  scene.refusals.push(BREAK);
  scene.assignment = [0];
  await scene.cluster.time.advance(5_000);
  assert.deepEqual(scene.events.slice(1), ['revoked 1']);
  assert.deepEqual(scene.owned().at(-1), [0]);
  assert.equal(consumer.health().isMember, true);
  await scene.cluster.settle(scene.client.close());
});

test('what cannot be put right by trying is thrown, and a static member keeps its place', async () => {
  const scene = new Scene();
  scene.refusals.push(Errors.UNSUPPORTED_ASSIGNOR);
  const wrong = scene.join({ serverAssignor: 'nonsense' });
  await assert.rejects(scene.cluster.settle(wrong.polled), /UNSUPPORTED_ASSIGNOR: .*because/);
  await scene.cluster.settle(wrong.consumer.close());
  scene.refusals.push(Errors.UNRELEASED_INSTANCE_ID);
  const second = scene.join({ instanceId: 'i' });
  await assert.rejects(scene.cluster.settle(second.polled), {
    errorName: 'UNRELEASED_INSTANCE_ID',
    fatal: true,
  });
  await scene.cluster.settle(second.consumer.close());
  const first = scene.join({ instanceId: 'i' });
  await scene.cluster.time.advance(1_500);
  await scene.cluster.settle(first.consumer.close());
  assert.equal(scene.heartbeats.at(-1)!.memberEpoch, -2);
  assert.throws(() => scene.join({ assignors: ['range'] }), TypeError);
  assert.throws(() => scene.join({ protocol: 'classic', serverAssignor: 'range' }), TypeError);
  await scene.cluster.settle(scene.client.close());
});

test('an old broker is named, with what it lacks', async () => {
  const scene = new Scene();
  const ours = scene.cluster.handlers.get(18)!;
  scene.cluster.handlers.set(18, async (asked) => {
    const answer = (await ours(asked)) as { apiKeys: { apiKey: number }[] };
    return { ...answer, apiKeys: answer.apiKeys.filter(({ apiKey }) => apiKey !== HEARTBEAT) };
  });
  const { polled } = scene.join();
  await assert.rejects(scene.cluster.settle(polled), /UNSUPPORTED_API: .*ConsumerGroupHeartbeat/);
  await scene.cluster.settle(scene.client.close());
});

test('a commit in an old epoch is made again in the one that the next heartbeat brings', async () => {
  const scene = new Scene();
  const { consumer } = scene.join();
  await scene.cluster.time.advance(1_500);
  const epochs: number[] = [];
  scene.cluster.handlers.set(COMMIT, ({ body }) => {
    epochs.push(body.generationIdOrMemberEpoch as number);
    const errorCode = epochs.length === 1 ? Errors.STALE_MEMBER_EPOCH : 0;
    const partitions = [{ partitionIndex: 0, errorCode }];
    return { throttleTimeMs: 0, topics: [{ name: 't', topicId: scene.topicId, partitions }] };
  });
  scene.epoch = 7;
  await scene.cluster.settle(consumer.commit([{ topic: 't', partition: 0, offset: 5 }]));
  assert.deepEqual(epochs, [1, 7]);
  await scene.cluster.settle(scene.client.close());
});

test('who does not ask for records leaves, and is back when it asks again', async () => {
  const scene = new Scene();
  const { consumer } = scene.join({ pollIntervalMsMax: 10_000 });
  await scene.cluster.time.advance(600_000);
  assert.equal(scene.heartbeats.at(-1)!.memberEpoch, 1, 'a member while it waits');
  await scene.cluster.time.advance(12_000);
  assert.equal(scene.heartbeats.at(-1)!.memberEpoch, -1);
  const said = scene.heartbeats.length;
  await scene.cluster.time.advance(30_000);
  assert.equal(scene.heartbeats.length, said, 'it says nothing any more');
  scene.assignment = [0];
  const again = consumer.poll({ timeoutMs: 5_000 });
  await scene.cluster.settle(again);
  assert.deepEqual(scene.events.slice(1), ['lost 0,1', 'assigned 0']);
  await scene.cluster.settle(scene.client.close());
});
