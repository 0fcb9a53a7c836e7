/** Fetch as other brokers send it: broker 2 follows what broker 1, a whole one, leads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codec } from '../protocol/compile.ts';
import { Errors } from '../protocol/errors.ts';
import { FetchRequest, type FetchResponse } from '../protocol/messages/01-fetch.ts';
import * as header from '../protocol/record-batch.ts';
import type { Write } from '../protocol/schema.ts';
import { Reader, Writer } from '../protocol/wire.ts';
import type { Partition } from '../replication/partition.ts';
import { BROKER_PRINCIPAL_TYPE } from '../security/broker-identity.ts';
import type { RequestContext } from './context.ts';
import { fetch } from './handlers/01-fetch.ts';
import { batchOf, testWorld, type TestClient, type TestWorld } from './test-client.ts';

const VERSION = 18;
const EPOCH_OF_2 = 50;

interface Wanted {
  readonly offset: number;
  readonly leaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
  readonly highWatermark?: number;
}

interface Asked {
  readonly replica?: number;
  readonly brokerEpoch?: number;
  readonly as?: { readonly type: string; readonly name: string };
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly maxWaitMs?: number;
  readonly partitionMaxBytes?: number;
  readonly maxBytes?: number;
}

type Answer = Write<typeof FetchResponse>;

class Followed {
  readonly world: TestWorld;
  readonly client: TestClient;
  readonly partition: Partition;
  readonly topicId: string;

  constructor(world: TestWorld, client: TestClient, topicId: string) {
    this.world = world;
    this.client = client;
    this.topicId = topicId;
    this.partition = world.broker.services.partitions.get('t', 0)!;
    const { state } = this.partition;
    const { partitionEpoch } = state;
    this.partition.apply({ ...state, replicas: [1, 2], isr: [1, 2], partitionEpoch: partitionEpoch + 1 });
  }

  append(value = 'v'): void {
    const options = { acks: 1, origin: 'client', nowMs: this.world.ports.clock.nowMs() } as const;
    assert.equal(this.partition.append(batchOf([value]), options).errorCode, Errors.NONE);
  }

  /** The handler itself: the answer, or a promise while it waits. Without `wanted` the session speaks. */
  ask(wanted: Wanted | undefined, asked: Asked = {}): Promise<Answer> {
    const { leaderEpoch } = this.partition;
    const body: Write<typeof FetchRequest> = {
      replicaState: { replicaId: asked.replica ?? 2, replicaEpoch: asked.brokerEpoch ?? EPOCH_OF_2 },
      maxWaitMs: asked.maxWaitMs ?? 0,
      minBytes: 1,
      maxBytes: asked.maxBytes ?? 10 << 20,
      sessionId: asked.sessionId ?? 0,
      sessionEpoch: asked.sessionEpoch ?? -1,
      topics:
        wanted === undefined
          ? []
          : [
              {
                topic: '',
                topicId: this.topicId,
                partitions: [
                  {
                    partition: 0,
                    currentLeaderEpoch: wanted.leaderEpoch ?? leaderEpoch,
                    fetchOffset: wanted.offset,
                    lastFetchedEpoch: wanted.lastFetchedEpoch ?? (wanted.offset === 0 ? -1 : leaderEpoch),
                    partitionMaxBytes: asked.partitionMaxBytes ?? 1 << 20,
                    ...(wanted.highWatermark === undefined
                      ? undefined
                      : { highWatermark: wanted.highWatermark }),
                  },
                ],
              },
            ],
      forgottenTopicsData: [],
    };
    const writer = new Writer();
    codec(FetchRequest, VERSION).write(writer, body);
    const request = codec(FetchRequest, VERSION).read(new Reader(writer.toBuffer()));
    const principal = asked.as ?? { type: BROKER_PRINCIPAL_TYPE, name: '2' };
    const context = {
      apiKey: 1,
      apiVersion: VERSION,
      clientId: 'broker-2',
      listener: 'PLAINTEXT',
      principal,
      connection: { fetchTurns: 0, sendsRegions: false },
      onDisconnect: () => () => {},
    } as unknown as RequestContext;
    return Promise.resolve(fetch.handle(request, context, this.world.broker.services) as Promise<Answer>);
  }

  /** The one partition of an answer that comes at once. */
  async one(
    wanted: Wanted,
    asked: Asked = {},
  ): Promise<FetchResponse['responses'][number]['partitions'][number]> {
    const answer = await this.world.ports.time.settle(this.ask(wanted, asked));
    return answer.responses[0]!.partitions[0]! as never;
  }
}

async function followed(): Promise<Followed> {
  const { world, client } = await testWorld({ durability: 'relaxed' });
  const topicId = await client.createTopic('t');
  return new Followed(world, client, topicId);
}

function batches({ records }: { readonly records: readonly Buffer[] | null }): number[] {
  const bytes = Buffer.concat(records ?? []);
  return header.batchPositions(bytes).map((at) => header.baseOffset(bytes, at));
}

test('a replica reads up to the log end, and what it asks for next commits what it has', async () => {
  const on = await followed();
  on.append();
  on.append();
  const first = await on.one({ offset: 0 });
  assert.deepEqual([batches(first), first.highWatermark, first.logStartOffset], [[0, 1], 0, 0]);
  assert.deepEqual(batches(await on.client.fetch('t', 0)), [], 'consumers see nothing of it yet');
  const second = await on.one({ offset: 1 });
  assert.deepEqual([batches(second), second.highWatermark, on.partition.highWatermark], [[1], 1, 1]);
  assert.deepEqual(batches(await on.client.fetch('t', 0)), [0]);
  await on.world.stop();
});

test('a producer with acks=all waits for the replica', async () => {
  const on = await followed();
  let isAnswered = false;
  const produced = on.client.produce('t', batchOf(['a'])).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await on.world.ports.time.advance(5_000);
  assert.equal(isAnswered, false);
  await on.ask({ offset: 1 });
  assert.equal((await on.world.ports.time.settle(produced)).errorCode, Errors.NONE);
  await on.world.stop();
});

test('whoever is not that broker gets nothing, and counts for nothing', async () => {
  const on = await followed();
  on.append();
  for (const as of [
    { type: 'User', name: 'ANONYMOUS' },
    { type: 'User', name: '2' },
    { type: BROKER_PRINCIPAL_TYPE, name: '3' },
  ]) {
    const answer = await on.one({ offset: 1 }, { as });
    assert.equal(answer.errorCode, Errors.TOPIC_AUTHORIZATION_FAILED, as.name);
  }
  assert.equal(on.partition.highWatermark, 0);
  const stranger = await on.one(
    { offset: 1 },
    { replica: 3, as: { type: BROKER_PRINCIPAL_TYPE, name: '3' } },
  );
  assert.equal(stranger.errorCode, Errors.NOT_LEADER_OR_FOLLOWER);
  await on.world.stop();
});

test('another epoch, none, and a former life of the broker are refused before they count', async () => {
  const on = await followed();
  on.append();
  const epoch = on.partition.leaderEpoch;
  const codes: number[] = [];
  for (const leaderEpoch of [epoch - 1, epoch + 1, -1]) {
    codes.push((await on.one({ offset: 1, leaderEpoch, lastFetchedEpoch: epoch })).errorCode);
  }
  assert.deepEqual(codes, [
    Errors.FENCED_LEADER_EPOCH,
    Errors.UNKNOWN_LEADER_EPOCH,
    Errors.FENCED_LEADER_EPOCH,
  ]);
  assert.equal((await on.one({ offset: 0 })).errorCode, Errors.NONE);
  const former = await on.one({ offset: 1 }, { brokerEpoch: EPOCH_OF_2 - 1 });
  assert.equal(former.errorCode, Errors.STALE_BROKER_EPOCH);
  assert.equal(on.partition.highWatermark, 0);
  await on.world.stop();
});

test('a replica whose log differs is told where, and its offset does not count', async () => {
  const on = await followed();
  const first = on.partition.leaderEpoch;
  on.append();
  on.append();
  const { state } = on.partition;
  on.partition.apply({ ...state, leaderEpoch: first + 2, partitionEpoch: state.partitionEpoch + 1 });
  on.append();
  // It has a third record of the first epoch, which ended after two.
  const cut = await on.one({ offset: 3, lastFetchedEpoch: first });
  assert.deepEqual(
    [cut.errorCode, cut.divergingEpoch, batches(cut)],
    [0, { epoch: first, endOffset: 2 }, []],
  );
  // It has records of an epoch that this log never saw.
  const other = await on.one({ offset: 3, lastFetchedEpoch: first + 1 });
  assert.deepEqual(other.divergingEpoch, { epoch: first, endOffset: 2 });
  assert.equal(on.partition.highWatermark, 0);
  const agreed = await on.one({ offset: 2, lastFetchedEpoch: first });
  assert.deepEqual([agreed.divergingEpoch, batches(agreed)], [undefined, [2]]);
  assert.equal(on.partition.highWatermark, 2);
  await on.world.stop();
});

test('a replica behind the start of the log learns where it is', async () => {
  const on = await followed();
  for (let n = 0; n < 4; n++) on.append();
  await on.ask({ offset: 4 });
  on.partition.deleteRecords(3);
  const answer = await on.one({ offset: 1 });
  assert.deepEqual(
    [answer.errorCode, answer.logStartOffset, answer.highWatermark],
    [Errors.OFFSET_OUT_OF_RANGE, 3, 4],
  );
  await on.world.stop();
});

test('a waiting replica is woken by an append that nobody may read yet, and by the watermark', async () => {
  const on = await followed();
  let answers = 0;
  const wait = (wanted: Wanted): Promise<Answer> =>
    on.ask(wanted, { maxWaitMs: 60_000 }).then((answer) => {
      answers += 1;
      return answer;
    });
  const first = wait({ offset: 0, highWatermark: 0 });
  await on.world.ports.time.advance(100);
  assert.equal(answers, 0);
  on.append();
  await on.world.ports.time.advance(10);
  assert.deepEqual(batches((await first).responses[0]!.partitions[0]! as never), [0]);
  // It asks for the next: that commits the first, and it is told so soon.
  const asked = wait({ offset: 1, highWatermark: 0 });
  await on.world.ports.time.advance(20);
  const second = await asked;
  assert.equal(second.responses[0]!.partitions[0]!.highWatermark, 1);
  const third = wait({ offset: 1, highWatermark: 1 });
  await on.world.ports.time.advance(1_000);
  assert.equal(answers, 2);
  // Another replica held up the watermark; when it no longer does, this one learns it.
  const { state } = on.partition;
  const { partitionEpoch } = state;
  on.partition.apply({ ...state, replicas: [1, 2, 3], isr: [1, 2, 3], partitionEpoch: partitionEpoch + 1 });
  on.append();
  await on.world.ports.time.advance(10);
  await third;
  const fourth = wait({ offset: 2, highWatermark: 1 });
  await on.world.ports.time.advance(1_000);
  assert.equal(answers, 3);
  on.partition.noteFetch({ nodeId: 3, brokerEpoch: 1, offset: 2, logStartOffset: 0, nowMs: 0 });
  await on.world.ports.time.advance(20);
  assert.equal((await fourth).responses[0]!.partitions[0]!.highWatermark, 2);
  await on.world.stop();
});

test('what a replica is told of the watermark goes with records that come meanwhile', async () => {
  const on = await followed();
  on.append();
  const answer = on.ask({ offset: 1, highWatermark: 0 }, { maxWaitMs: 60_000 });
  await on.world.ports.time.advance(2);
  assert.equal(on.partition.highWatermark, 1);
  on.append();
  await on.world.ports.time.advance(2);
  const { highWatermark, ...rest } = (await answer).responses[0]!.partitions[0]!;
  assert.deepEqual([highWatermark, batches(rest as never)], [1, [1]]);
  await on.world.stop();
});

test('in a session a replica says only what has changed, and what it does not mention counts on', async () => {
  const on = await followed();
  on.append();
  const opened = await on.world.ports.time.settle(on.ask({ offset: 0 }, { sessionEpoch: 0 }));
  const sessionId = opened.sessionId!;
  assert.ok(sessionId > 0);
  const next = await on.world.ports.time.settle(
    on.ask({ offset: 1, highWatermark: 0 }, { sessionId, sessionEpoch: 1 }),
  );
  assert.equal(next.responses[0]!.partitions[0]!.highWatermark, 1);
  const nothing = await on.world.ports.time.settle(on.ask(undefined, { sessionId, sessionEpoch: 2 }));
  assert.deepEqual(nothing.responses, []);
  await on.world.stop();
});

test('the limits of consumers are not those of replicas', async () => {
  const on = await followed();
  for (let n = 0; n < 4; n++) on.append('x'.repeat(900_000));
  const all = await on.one({ offset: 0 }, { partitionMaxBytes: 8 << 20 });
  assert.deepEqual(batches(all), [0, 1, 2, 3]);
  const some = await on.one({ offset: 0 }, { partitionMaxBytes: 2 << 20 });
  assert.deepEqual(batches(some), [0, 1]);
  await on.world.stop();
});
