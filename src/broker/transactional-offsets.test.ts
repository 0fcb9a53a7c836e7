/** Consume, transform, produce: what is written and how far was read count together, through kills and restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_UUID } from '../base/uuid.ts';
import { errorName, Errors } from '../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../protocol/messages/25-add-offsets-to-txn.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../protocol/messages/28-txn-offset-commit.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { testWorld, type TestClient, type TestWorld } from './test-client.ts';
import { readFrom, readValues, TestProducer } from './test-producer.ts';

const CONFIGS = { 'transaction.state.log.num.partitions': '2', 'offsets.topic.num.partitions': '2' };
const COMMITTED = { isolationLevel: 1 };
const PASSING = [
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
];

class Scene {
  readonly world: TestWorld;
  client: TestClient;
  producer!: TestProducer;
  readonly isV2: boolean;
  readonly #options: { readonly produceVersion: number };

  constructor(world: TestWorld, client: TestClient, isV2: boolean) {
    this.world = world;
    this.client = client;
    this.isV2 = isV2;
    this.#options = { produceVersion: isV2 ? 12 : 9 };
  }

  static async begin(isV2: boolean): Promise<Scene> {
    const { world, client } = await testWorld(CONFIGS);
    await client.createTopic('out');
    const scene = new Scene(world, client, isV2);
    await scene.#findGroup();
    await scene.beginProducer();
    return scene;
  }

  async beginProducer(): Promise<void> {
    this.producer = await TestProducer.begin(this.world, 'tx', this.#options);
  }

  async #findGroup(): Promise<void> {
    const body = { key: '', keyType: 0, coordinatorKeys: ['g'] };
    await this.client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, body);
    await this.world.ports.time.advance(500);
  }

  async restart(kill: boolean): Promise<void> {
    await this.world.restart({ kill });
    this.client = await this.world.connect();
    await this.#findGroup();
  }

  /** Writes a value to `out`, and the offset of the input. */
  async write(value: string, offset: number): Promise<void> {
    if (!this.isV2) assert.equal(await this.producer.add('out', 0), Errors.NONE);
    assert.equal(errorName((await this.producer.send('out', [value])).errorCode), 'NONE');
    assert.equal(await this.#patiently(() => this.#commitOffset(offset)), 'NONE');
  }

  async #commitOffset(offset: number): Promise<string> {
    const { client, transactionalId, producerId, producerEpoch } = this.producer;
    const of = { transactionalId, producerId, producerEpoch, groupId: 'g' };
    if (!this.isV2) {
      const added = await client.request(AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, 3, of);
      if (added.errorCode !== Errors.NONE) return errorName(added.errorCode);
    }
    const one = {
      partitionIndex: 0,
      committedOffset: offset,
      committedLeaderEpoch: -1,
      committedMetadata: '',
    };
    // The input is not looked at; any topic will do.
    const topics = [{ name: 'out', topicId: ZERO_UUID, partitions: [one] }];
    const member = { generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null };
    const version = this.isV2 ? 5 : 3;
    const body = { ...of, ...member, topics };
    const answer = await client.request(TxnOffsetCommitRequest, TxnOffsetCommitResponse, version, body);
    return errorName(answer.topics[0].partitions[0].errorCode);
  }

  async #patiently(ask: () => Promise<string>): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const answer = await ask();
      if (attempt === 100 || !PASSING.includes(answer)) return answer;
      await this.world.ports.time.advance(20);
    }
  }

  /** The group's stable offset. */
  async offset(): Promise<number> {
    const topics = [{ name: 'out', topicId: ZERO_UUID, partitionIndexes: [0] }];
    const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }];
    const body = { groupId: '', topics: [], groups, requireStable: true };
    let offset = -1;
    const outcome = await this.#patiently(async () => {
      const answer = await this.client.request(OffsetFetchRequest, OffsetFetchResponse, 8, body);
      const [{ errorCode, topics: found }] = answer.groups;
      if (errorCode !== Errors.NONE) return errorName(errorCode);
      const [one] = found[0].partitions;
      offset = one.committedOffset;
      // A marker is on its way.
      return one.errorCode === Errors.UNSTABLE_OFFSET_COMMIT
        ? 'CONCURRENT_TRANSACTIONS'
        : errorName(one.errorCode);
    });
    assert.equal(outcome, 'NONE');
    return offset;
  }

  /** Once all markers are in. */
  async values(): Promise<string[]> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { lastStableOffset, highWatermark } = await this.client.fetch('out', 0, COMMITTED);
      if (lastStableOffset === highWatermark) break;
      await this.world.ports.time.advance(20);
    }
    return readValues(this.client, 'out', COMMITTED);
  }
}

for (const isV2 of [true, false]) {
  test(`item 23: offsets and records of a transaction count together, with transactions v${isV2 ? 2 : 1}`, async () => {
    const scene = await Scene.begin(isV2);
    const expected: string[] = [];
    for (const [value, isCommit] of [
      ['a', true],
      ['b', false],
      ['c', true],
    ] as const) {
      await scene.write(value, expected.length + 1);
      assert.equal(errorName(await scene.producer.end(isCommit)), 'NONE');
      if (isCommit) expected.push(value);
      assert.deepEqual([await scene.offset(), await scene.values()], [expected.length, expected]);
    }
    await scene.world.stop();
  });

  test(`item 23: through kills and restarts at any moment no transaction is torn, with v${isV2 ? 2 : 1}`, async () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = new SimulatedRandom(`offsets ${isV2} ${seed}`);
      const scene = await Scene.begin(isV2);
      const expected: string[] = [];
      for (let n = 0; n < 12; n++) {
        const value = `${n}`;
        await scene.write(value, expected.length + 1);
        const dice = random.integer(10);
        if (dice < 3) {
          // The end was asked for, and nobody knows what came of it: the offset says whether the value counts.
          void scene.producer.startEnd(dice === 0);
          await scene.world.ports.time.advance(random.integer(12));
          await scene.restart(random.chance(0.7));
          await scene.beginProducer();
          if ((await scene.offset()) > expected.length) expected.push(value);
          assert.ok(dice === 0 || expected.at(-1) !== value, `seed ${seed}: an abort has committed`);
        } else if (dice < 5) {
          // Left open: the producer that begins anew aborts it.
          await scene.restart(random.chance(0.7));
          await scene.beginProducer();
        } else {
          const isCommit = dice < 8;
          assert.equal(errorName(await scene.producer.end(isCommit)), 'NONE');
          if (isCommit) expected.push(value);
        }
        assert.deepEqual(
          [await scene.offset(), await scene.values()],
          [expected.length || -1, expected],
          `seed ${seed}, ${n}`,
        );
      }
      await scene.world.stop();
    }
  });
}

test('item 24: an offset committed at a marker or behind it stays, and reading goes on with the next record', async () => {
  const scene = await Scene.begin(true);
  const { client, world } = scene;
  const transact = async (value: string, isCommit: boolean): Promise<void> => {
    assert.equal(errorName((await scene.producer.send('out', [value])).errorCode), 'NONE');
    assert.equal(errorName(await scene.producer.end(isCommit)), 'NONE');
    await world.ports.time.advance(50);
  };
  const commit = async (offset: number): Promise<string> => {
    const one = { committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' };
    const topics = [{ name: 'out', topicId: ZERO_UUID, partitions: [{ partitionIndex: 0, ...one }] }];
    const body = { groupId: 'g', memberId: '', groupInstanceId: null, topics };
    const answer = await client.request(OffsetCommitRequest, OffsetCommitResponse, 8, body);
    return errorName(answer.topics[0].partitions[0].errorCode);
  };
  await transact('a', true); // 0, its marker 1
  await transact('never', false); // 2, its marker 3
  const endOffset = 4;
  // A consumer that has seen the first record, one that has seen its marker, and so on.
  for (let committed = 1; committed <= endOffset; committed++) {
    assert.equal(await commit(committed), 'NONE');
    assert.equal(await scene.offset(), committed);
    const { records, nextOffset } = await readFrom(client, 'out', committed, COMMITTED);
    assert.deepEqual([records, nextOffset], [[], endOffset], `from ${committed}`);
    assert.equal((await client.listOffset('out', -1, COMMITTED)).offset, nextOffset, 'no lag is left');
  }
  await transact('b', true);
  for (let committed = 1; committed <= endOffset; committed++) {
    const { records, nextOffset } = await readFrom(client, 'out', committed, COMMITTED);
    assert.deepEqual(
      records.map(({ offset, value }) => [offset, value]),
      [[endOffset, 'b']],
    );
    assert.equal(nextOffset, endOffset + 2);
  }
  await world.stop();
});
