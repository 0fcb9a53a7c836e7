/**
 * The topics of the coordinators under load: the cleaner keeps them small, and what the coordinators load from what is
 * left is what they knew. A broker that does not compact stands beside, to tell that there was something to compact.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../base/uuid.ts';
import { errorName, Errors } from '../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../protocol/messages/11-join-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../protocol/messages/15-describe-groups.ts';
import { ListGroupsRequest, ListGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../protocol/messages/28-txn-offset-commit.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../protocol/messages/35-describe-log-dirs.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../protocol/messages/42-delete-groups.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../protocol/messages/66-list-transactions.ts';
import { testWorld, type TestClient, type TestWorld } from './test-client.ts';
import { TestProducer } from './test-producer.ts';

const OFFSETS = '__consumer_offsets';
const TRANSACTIONS = '__transaction_state';
const TOPICS = [OFFSETS, TRANSACTIONS] as const;

/** Segments of a second, cleaned when a good third is dirty; a transactional id that nobody uses is forgotten soon. */
const CONFIGS = {
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  'group.initial.rebalance.delay.ms': '0',
  'log.roll.ms': '1000',
  'log.segment.delete.delay.ms': '500',
  'log.cleaner.min.cleanable.ratio': '0.4',
  'log.cleaner.backoff.ms': '200',
  'log.cleaner.delete.retention.ms': '5000',
  'transactional.id.expiration.ms': '15000',
  'transaction.remove.expired.transaction.cleanup.interval.ms': '1000',
};
const ROUNDS = 60;
const ROUND_MS = 500;
const GROUPS = ['g0', 'g1', 'g2', 'g3'];
const PARTITIONS = [0, 1, 2, 3];
/** Pads records, so that bytes tell more than headers. */
const METADATA = 'm'.repeat(200);

/** Commits, transactions, members, deletions and expiries, round by round. */
class Load {
  readonly world: TestWorld;
  client: TestClient;
  readonly #producers: TestProducer[] = [];
  #memberId = '';
  /** By topic, after each round, in bytes. */
  readonly sizes = new Map<string, number[]>(TOPICS.map((topic) => [topic, []]));

  constructor(world: TestWorld, client: TestClient) {
    this.world = world;
    this.client = client;
  }

  static async begin(cleaner: 'with cleaner' | 'without'): Promise<Load> {
    const enable = String(cleaner === 'with cleaner');
    const { world, client } = await testWorld({ ...CONFIGS, 'log.cleaner.enable': enable });
    await client.createTopic('t', { numPartitions: PARTITIONS.length });
    const load = new Load(world, client);
    await load.#find();
    for (const id of ['tx0', 'tx1', 'tx2']) load.#producers.push(await TestProducer.begin(world, id));
    return load;
  }

  async #find(): Promise<void> {
    const body = { key: '', keyType: 0, coordinatorKeys: ['g0'] };
    await this.client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, body);
    const transactional = { ...body, keyType: 1, coordinatorKeys: ['tx0'] };
    await this.client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, transactional);
    await this.world.ports.time.advance(1_000);
  }

  async run(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      for (const group of GROUPS) await this.commit(group, round * 10);
      if (round % 4 === 0) await this.#rejoin(round);
      for (const [index, producer] of this.#producers.entries()) await this.#transact(producer, round, index);
      if (round % 10 === 5) await this.#come(round);
      if (round % 10 === 8) await this.#go(round - 3);
      await this.world.ports.time.advance(ROUND_MS);
      for (const topic of TOPICS) this.sizes.get(topic)!.push(await this.sizeOf(topic));
    }
  }

  async commit(groupId: string, offset: number): Promise<void> {
    const partitions = PARTITIONS.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: offset + partitionIndex,
      committedLeaderEpoch: 0,
      committedMetadata: `${groupId} ${offset} ${METADATA}`,
    }));
    const answer = await this.client.request(OffsetCommitRequest, OffsetCommitResponse, 8, {
      groupId,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: 't', topicId: ZERO_UUID, partitions }],
    });
    for (const { errorCode } of answer.topics[0]!.partitions) assert.equal(errorName(errorCode), 'NONE');
  }

  /** The only member of a group changes its subscription: the group's next generation. */
  async #rejoin(round: number): Promise<void> {
    const join = () =>
      this.client.request(JoinGroupRequest, JoinGroupResponse, 5, {
        groupId: 'with a member',
        sessionTimeoutMs: 1_000_000,
        rebalanceTimeoutMs: 1_000_000,
        memberId: this.#memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from(`round ${round} ${METADATA}`) }],
      });
    let joined = await join();
    if (joined.errorCode === Errors.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId;
      joined = await join();
    }
    assert.equal(errorName(joined.errorCode), 'NONE');
    const synced = await this.client.request(SyncGroupRequest, SyncGroupResponse, 3, {
      groupId: 'with a member',
      generationId: joined.generationId,
      memberId: this.#memberId,
      groupInstanceId: null,
      assignments: [{ memberId: this.#memberId, assignment: Buffer.from(`assigned in ${round}`) }],
    });
    assert.equal(errorName(synced.errorCode), 'NONE');
  }

  /** Records and offsets, committed or aborted. */
  async #transact(producer: TestProducer, round: number, index: number): Promise<void> {
    for (const partition of PARTITIONS) {
      assert.equal(errorName((await producer.send('t', [`${round}`], { partition })).errorCode), 'NONE');
    }
    await this.commitIn(producer, `of ${producer.transactionalId}`, round);
    await this.end(producer, (round + index) % 3 !== 0);
  }

  async commitIn(producer: TestProducer, groupId: string, offset: number): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = producer;
    const one = { committedOffset: offset, committedLeaderEpoch: 0, committedMetadata: METADATA };
    for (let attempt = 0; ; attempt++) {
      const answer = await this.client.request(TxnOffsetCommitRequest, TxnOffsetCommitResponse, 5, {
        transactionalId,
        producerId,
        producerEpoch,
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [{ name: 't', topicId: ZERO_UUID, partitions: [{ partitionIndex: 0, ...one }] }],
      });
      const { errorCode } = answer.topics[0].partitions[0];
      if (errorCode === Errors.NONE) return;
      assert.ok(attempt < 50, errorName(errorCode));
      await this.world.ports.time.advance(20);
    }
  }

  async end(producer: TestProducer, committed: boolean): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const errorCode = await producer.end(committed);
      if (errorCode === Errors.NONE) break;
      assert.ok(attempt < 50, errorName(errorCode));
      await this.world.ports.time.advance(20);
    }
    await this.world.ports.time.advance(20);
  }

  /** A group and a transactional id that will not stay. */
  async #come(round: number): Promise<void> {
    await this.commit(`passing ${round}`, round);
    const producer = await TestProducer.begin(this.world, `passing ${round}`);
    await producer.send('t', ['x']);
    await this.end(producer, true);
  }

  async #go(round: number): Promise<void> {
    const body = { groupsNames: [`passing ${round}`] };
    const { results } = await this.client.request(DeleteGroupsRequest, DeleteGroupsResponse, 2, body);
    assert.equal(errorName(results[0]!.errorCode), 'NONE');
  }

  async sizeOf(topic: string): Promise<number> {
    const body = { topics: [{ topic, partitions: [0] }] };
    const answer = await this.client.request(DescribeLogDirsRequest, DescribeLogDirsResponse, 4, body);
    return answer.results[0]!.topics[0]!.partitions[0]!.partitionSize;
  }

  async restart(options: { readonly kill: boolean }): Promise<void> {
    await this.world.restart(options);
    this.client = await this.world.connect();
    await this.#find();
    for (const producer of this.#producers) await producer.reconnect(this.world);
  }

  /** All that the coordinators tell. */
  async state(): Promise<object> {
    const { client } = this;
    const listed = await client.request(ListGroupsRequest, ListGroupsResponse, 5, {
      statesFilter: [],
      typesFilter: [],
    });
    const groups = listed.groups.map(({ groupId }) => groupId).sort();
    const described = await client.request(DescribeGroupsRequest, DescribeGroupsResponse, 5, {
      groups,
      includeAuthorizedOperations: false,
    });
    const offsets = await client.request(OffsetFetchRequest, OffsetFetchResponse, 8, {
      groupId: '',
      topics: [],
      groups: groups.map((groupId) => ({ groupId, topics: null })),
      requireStable: false,
    });
    const listing = await client.request(ListTransactionsRequest, ListTransactionsResponse, 1, {
      stateFilters: [],
      producerIdFilters: [],
    });
    const transactionalIds = listing.transactionStates.map(({ transactionalId }) => transactionalId).sort();
    const transactions = await client.request(DescribeTransactionsRequest, DescribeTransactionsResponse, 0, {
      transactionalIds,
    });
    return {
      groups: described.groups,
      offsets: offsets.groups.map((group) => ({
        ...group,
        topics: group.topics.map((topic) => ({
          ...topic,
          partitions: [...topic.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex),
        })),
      })),
      transactions: transactions.transactionStates.map((one) => ({
        ...one,
        topics: one.topics.map((topic) => ({ ...topic, partitions: [...topic.partitions].sort() })),
      })),
    };
  }

  logOf(topic: string) {
    return this.world.broker.services.logDirectories.get({ topic, partition: 0 })!;
  }
}

test('item 35: __consumer_offsets and __transaction_state are compacted under load, and stay small', async () => {
  const [cleaned, whole] = [await Load.begin('with cleaner'), await Load.begin('without')];
  await cleaned.run(ROUNDS);
  await whole.run(ROUNDS);
  for (const topic of TOPICS) {
    const sizes = cleaned.sizes.get(topic)!;
    const written = whole.sizes.get(topic)!.at(-1)!;
    const peak = Math.max(...sizes);
    assert.ok(peak < written / 4, `${topic}: ${peak} bytes of ${written} at most`);
    // It does not grow with what is written: the second half is no larger than the first.
    const [early, late] = [sizes.slice(10, ROUNDS / 2), sizes.slice(ROUNDS / 2)];
    assert.ok(Math.max(...late) < 1.3 * Math.max(...early), `${topic}: ${sizes.join(' ')}`);
    assert.ok(cleaned.logOf(topic).cleanedTo! > 0);
    assert.equal(whole.logOf(topic).cleanedTo, undefined);
    assert.equal(cleaned.logOf(topic).logEndOffset, whole.logOf(topic).logEndOffset, 'offsets do not change');
  }
  await cleaned.world.stop();
  await whole.world.stop();
});

for (const kill of [false, true]) {
  test(`item 35: coordinators load from compacted logs exactly what they knew before ${kill ? 'a kill' : 'a stop'}`, async () => {
    const load = await Load.begin('with cleaner');
    await load.run(ROUNDS);
    const peaks = Array.from(load.sizes, ([topic, sizes]) => [topic, Math.max(...sizes)] as const);
    // A transaction is open, with offsets, while the logs are compacted once more.
    const open = await TestProducer.begin(load.world, 'open', { timeoutMs: 600_000 });
    await open.send('t', ['open']);
    await load.commitIn(open, 'of open', 77);
    for (let round = 0; round < 8; round++) {
      for (const group of GROUPS) await load.commit(group, 1_000 + round);
      await load.world.ports.time.advance(ROUND_MS);
    }
    const before = await load.state();
    assert.deepEqual(summary(before), {
      groups: ['g0', 'g1', 'g2', 'g3', 'of open', 'of tx0', 'of tx1', 'of tx2', 'with a member'],
      // Those that came last have not expired yet.
      transactionalIds: ['open', 'passing 45', 'passing 55', 'tx0', 'tx1', 'tx2'],
    });
    await load.restart({ kill });
    assert.deepEqual(await load.state(), before);
    // It was loaded from what the cleaner had left.
    for (const topic of TOPICS) {
      assert.ok(load.logOf(topic).cleanedTo! > load.logOf(topic).logEndOffset / 2);
    }
    const offsetsLog = load.logOf(OFFSETS);
    assert.ok(offsetsLog.cleanedTo! <= offsetsLog.firstUnstableOffset!, 'what is undecided stays');
    await open.reconnect(load.world);
    await load.end(open, true);
    await load.world.ports.time.advance(100);
    assert.equal(committedBy(await load.state(), 'of open'), 77);
    // Producers go on, and the next life knows that, too.
    await load.run(10);
    // Nothing is about to expire.
    await load.world.ports.time.advance(5_000);
    for (const [topic, peak] of peaks) assert.ok((await load.sizeOf(topic)) < 1.3 * peak, topic);
    const after = await load.state();
    await load.restart({ kill });
    assert.deepEqual(await load.state(), after);
    await load.world.stop();
  });
}

interface State {
  readonly groups: readonly { readonly groupId: string }[];
  readonly offsets: OffsetFetchResponse['groups'];
  readonly transactions: readonly { readonly transactionalId: string }[];
}

function summary(state: object): object {
  const { groups, transactions } = state as State;
  return {
    groups: groups.map(({ groupId }) => groupId),
    transactionalIds: transactions.map(({ transactionalId }) => transactionalId),
  };
}

function committedBy(state: object, groupId: string): number {
  const group = (state as State).offsets.find((one) => one.groupId === groupId)!;
  return group.topics[0]!.partitions[0]!.committedOffset;
}
