/**
 * Puts the same requests of transactional producers that commit a group's offsets, and of those who read beside them, to
 * Kafka 4.4.0 and to Headrace, and compares all fields of the answers. Needs Java and Maven.
 */
import { test } from 'node:test';

import {
  commitBody,
  DELETE_GROUPS,
  DESCRIBE,
  isGroup,
  JOIN,
  joinBody,
  OFFSET_COMMIT,
  OFFSET_DELETE,
  OFFSET_FETCH,
  offsetsBody,
  SYNC,
  syncBody,
} from './groups/bodies.ts';
import { orSkip } from './kafka-jars.ts';
import {
  ADD_OFFSETS,
  CONCURRENT_TRANSACTIONS,
  coordinatorsReady,
  DESCRIBE_PRODUCERS,
  END,
  FETCH,
  INIT,
  keepProducer,
  LIST_OFFSETS,
  NEW_PRODUCER,
  PRODUCE,
  produceBody,
  producerOf,
  TRANSACTION_SETTINGS,
  TXN_COMMIT as COMMIT,
  type Identity,
} from './transactional-producers.ts';
import { TwoBrokers, type Answer, type Side } from './two-brokers.ts';

const SETTINGS = { ...TRANSACTION_SETTINGS, 'group.initial.rebalance.delay.ms': '0' };
const COMMIT_VERSIONS = [0, 1, 2, 3, 4, 5, 6];
const ADDS_GROUP_SINCE = 5;

interface Commit extends Identity {
  readonly group?: string;
  readonly member?: string;
  readonly generation?: number;
  readonly instance?: string | null;
  readonly metadata?: string;
}

function commit(
  transactionalId: string,
  offsets: readonly (readonly [string, number, number])[],
  options: Commit = {},
) {
  const body = commitBody(options.group ?? 'g', offsets, options);
  return (side: Side): object => ({ ...body(side), ...producerOf(side, transactionalId, options) });
}

class Story {
  readonly both: TwoBrokers;
  constructor(both: TwoBrokers) {
    this.both = both;
  }

  async begin(transactionalId: string): Promise<void> {
    const body = { ...NEW_PRODUCER, transactionalId };
    await this.both.same('begins', INIT, 5, body, keepProducer(transactionalId));
  }

  async addGroup(transactionalId: string, groupId: string): Promise<void> {
    const body = (side: Side): object => ({ ...producerOf(side, transactionalId), groupId });
    await this.#patiently(ADD_OFFSETS, 3, body, (answer) => answer.errorCode);
    await this.both.same('adds the group', ADD_OFFSETS, 3, body);
  }

  /** CONCURRENT_TRANSACTIONS is over at a different time on each side. */
  #patiently(key: number, version: number, body: (side: Side) => object, codeOf: (answer: Answer) => number) {
    return this.both.until(key, version, body, (answer) => codeOf(answer) !== CONCURRENT_TRANSACTIONS);
  }

  async end(transactionalId: string, committed: boolean, version: number): Promise<void> {
    const body = (side: Side): object => ({ ...producerOf(side, transactionalId), committed });
    const keep = version >= 5 ? keepProducer(transactionalId) : {};
    await this.both.same(committed ? 'commits' : 'aborts', END, version, body, keep);
  }

  /** Until no partition is unstable any more; then all see the same. */
  async stable(group: string, topics: Parameters<typeof offsetsBody>[1]): Promise<void> {
    const body = offsetsBody(group, topics, { stable: true });
    const isStable = (one: Answer): boolean =>
      one.groups[0].topics.every((topic: Answer) =>
        topic.partitions.every((at: Answer) => at.errorCode === 0),
      );
    await this.both.until(OFFSET_FETCH, 8, body, isStable);
    await this.offsets('afterwards', group, topics);
  }

  async offsets(what: string, group: string, topics: Parameters<typeof offsetsBody>[1]): Promise<void> {
    for (const stable of [false, true]) {
      const body = offsetsBody(group, topics, { stable });
      await this.both.each(`${what}${stable ? ', stable' : ''}`, OFFSET_FETCH, [7, 10], body);
    }
  }
}

const ALL: [string, ...number[]][] = [['orders', 0, 1]];

test('offsets in transactions are answered as Kafka answers them', async (t) => {
  const started = await orSkip(() => TwoBrokers.start(SETTINGS));
  if ('skip' in started) return t.skip(started.skip);
  const both = started.have;
  t.after(() => both.stop());
  await coordinatorsReady(both);
  await both.until(DESCRIBE, 5, { groups: ['any'] }, ({ groups }) => groups[0].errorCode === 0);
  const story = new Story(both);
  await both.createTopics({ orders: { partitions: 2 }, log: {} });

  for (const version of COMMIT_VERSIONS) {
    await both.scenario(t, `TxnOffsetCommit ${version}`, async () => {
      const tx = `tx${version}`;
      const group = `g${version}`;
      const endVersion = version >= ADDS_GROUP_SINCE ? 5 : 4;
      const send = (what: string, offsets: readonly [string, number, number][], options: Commit = {}) =>
        both.same(what, COMMIT, version, commit(tx, offsets, { group, ...options }));
      await send('of nobody', [['orders', 0, 1]]);
      await story.begin(tx);
      if (version < ADDS_GROUP_SINCE) {
        await send('before the group is added', [['orders', 0, 1]]);
        await story.addGroup(tx, group);
      }
      await send('first', [['orders', 0, 1]]);
      await story.offsets('open', group, ALL);
      await story.offsets('open, all', group, null);
      await both.each('beside it', OFFSET_COMMIT, [9, 9], commitBody(group, [['orders', 1, 20]]));
      await send('again, and some that are unknown', [
        ['orders', 1, 2],
        ['orders', 9, 2],
        ['nobody', 0, 2],
      ]);
      await send('only what is unknown', [['nobody', 0, 2]]);
      await send('nothing', []);
      await send('too much metadata', [['orders', 0, 3]], { metadata: 'm'.repeat(4097) });
      await send('no group', [['orders', 0, 3]], { group: '' });
      await send('an older epoch', [['orders', 0, 3]], { epoch: -1 });
      await send('a newer epoch', [['orders', 0, 3]], { epoch: 7 });
      await send('another producer', [['orders', 0, 3]], { producer: 'nobody' });
      await send('a generation of a group without members', [['orders', 0, 3]], {
        generation: 4,
        member: '?x',
      });
      await send('a generation of an unknown group', [['orders', 0, 3]], {
        group: `unknown${version}`,
        generation: 4,
        member: '?x',
      });
      await story.offsets('open', group, ALL);
      await story.end(tx, true, endVersion);
      await story.stable(group, ALL);
      if (version < ADDS_GROUP_SINCE) await story.addGroup(tx, group);
      await both.until(
        COMMIT,
        version,
        commit(tx, [['orders', 0, 8]], { group }),
        ({ topics }) => topics[0].partitions[0].errorCode !== CONCURRENT_TRANSACTIONS,
      );
      await send('in the next transaction', [['orders', 0, 9]]);
      await story.end(tx, false, endVersion);
      await story.stable(group, ALL);
    });
  }

  await both.scenario(t, 'members', async () => {
    const keep = { 'the member': (answer: Answer): unknown => answer.memberId || undefined };
    await both.same('first', JOIN, 9, joinBody('m', {}), { keep });
    await both.same('joins', JOIN, 9, joinBody('m', { member: 'the member' }));
    await story.begin('txm');
    const each = (what: string, options: Commit) =>
      both.each(what, COMMIT, [5, 6], commit('txm', [['orders', 0, 1]], { group: 'm', ...options }));
    await each('while it rebalances', { member: 'the member', generation: 1 });
    await both.same('assigns', SYNC, 5, syncBody('m', 'the member', { assignments: { 'the member': '' } }));
    await both.until(DESCRIBE, 5, { groups: ['m'] }, isGroup('Stable', 1));
    await each('in its generation', { member: 'the member', generation: 1 });
    await each('in another', { member: 'the member', generation: 2 });
    await each('in none', { member: 'the member' });
    await each('as nobody', {});
    await each('as a stranger', { member: '?a stranger', generation: 1 });
    await each('as a static member', { member: 'the member', generation: 1, instance: 'i' });
    await story.end('txm', true, 5);
    await story.stable('m', [['orders', 0]]);
  });

  await both.scenario(t, 'deletions', async () => {
    await story.begin('txd');
    await both.same(
      'commits',
      COMMIT,
      5,
      commit(
        'txd',
        [
          ['orders', 0, 1],
          ['orders', 1, 1],
        ],
        { group: 'd' },
      ),
    );
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }];
    await both.same('of an offset', OFFSET_DELETE, 0, { groupId: 'd', topics });
    await story.offsets('after one is deleted', 'd', ALL);
    await both.same('of the group', DELETE_GROUPS, 2, { groupsNames: ['d'] });
    await story.offsets('after all are deleted', 'd', ALL);
    await story.end('txd', true, 5);
    await story.stable('d', ALL);
    await both.same('afterwards', DESCRIBE, 5, { groups: ['d'] });
  });

  await both.scenario(t, 'readers', async () => {
    await story.begin('txr');
    // Long ago, so that no broker's clock is near.
    const timestamp = 1_700_000_000_000;
    let sequence = 0;
    const produce = async (what: string, at = timestamp): Promise<void> => {
      const body = produceBody('txr', what, { topic: 'log', sequence: sequence++, timestamp: at });
      await both.until(
        PRODUCE,
        12,
        body,
        ({ responses }) => responses[0].partitionResponses[0].errorCode !== CONCURRENT_TRANSACTIONS,
      );
      await both.same(`${what} again`, PRODUCE, 12, body);
    };
    const look = async (what: string): Promise<void> => {
      for (const isolationLevel of [0, 1]) {
        for (const at of [-1, -2, -3, timestamp, timestamp + 1, timestamp + 2]) {
          const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: at }];
          const body = {
            replicaId: -1,
            isolationLevel,
            topics: [{ name: 'log', partitions }],
            timeoutMs: 1000,
          };
          await both.same(
            `${what}, at ${at - timestamp}, isolation ${isolationLevel}`,
            LIST_OFFSETS,
            8,
            body,
          );
        }
        for (const fetchOffset of [0, 1, 2, 3]) {
          const one = {
            partition: 0,
            currentLeaderEpoch: -1,
            fetchOffset,
            lastFetchedEpoch: -1,
            logStartOffset: -1,
            partitionMaxBytes: 1 << 20,
          };
          const topics = [{ topic: 'log', topicId: '', partitions: [one] }];
          const limits = {
            maxWaitMs: 0,
            minBytes: 1,
            maxBytes: 1 << 20,
            sessionId: 0,
            sessionEpoch: -1,
            rackId: '',
          };
          const body = { replicaId: -1, ...limits, isolationLevel, topics, forgottenTopicsData: [] };
          await both.same(`${what}, from ${fetchOffset}, isolation ${isolationLevel}`, FETCH, 12, body);
        }
      }
      await both.same(what, DESCRIBE_PRODUCERS, 0, { topics: [{ name: 'log', partitionIndexes: [0] }] });
    };
    const settled = (): Promise<void> => {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }];
      const body = {
        replicaId: -1,
        isolationLevel: 1,
        topics: [{ name: 'log', partitions }],
        timeoutMs: 1000,
      };
      const end = (one: Answer): boolean => one.topics[0].partitions[0].offset === markers + written;
      return both.until(LIST_OFFSETS, 8, body, end);
    };
    let written = 0;
    let markers = 0;
    await look('empty');
    for (const isCommit of [true, false, true]) {
      sequence = 0;
      await produce(`one ${isCommit}`, timestamp + markers);
      written += 1;
      await look('open');
      await story.end('txr', isCommit, 5);
      markers += 1;
      await settled();
      await look(isCommit ? 'committed' : 'aborted');
    }
  });
  t.diagnostic(`${both.compared} answers compared`);
});
