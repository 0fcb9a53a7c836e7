/** Committed offsets, coordinators, and what administrators ask of groups. */
import type { TestContext } from 'node:test';

import type { Answer, TwoBrokers } from '../two-brokers.ts';
import {
  commitBody,
  DELETE_GROUPS,
  DESCRIBE,
  FIND_COORDINATOR,
  isGroup,
  JOIN,
  joinBody,
  LEAVE,
  leaveBody,
  LIST,
  OFFSET_COMMIT,
  OFFSET_DELETE,
  OFFSET_FETCH,
  offsetsBody,
  SYNC,
  syncBody,
} from './bodies.ts';

const COMMIT_VERSIONS = [2, 10] as const;

export async function offsetScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  const commit = (
    what: string,
    group: string,
    ...rest: [Parameters<typeof commitBody>[1], Parameters<typeof commitBody>[2]?]
  ) => both.each(what, OFFSET_COMMIT, COMMIT_VERSIONS, commitBody(group, ...rest));
  const offsets = (what: string, group: string, topics: Parameters<typeof offsetsBody>[1], options = {}) =>
    both.each(what, OFFSET_FETCH, [topics === null ? 2 : 1, 10], offsetsBody(group, topics, options));
  /** A group with one member in generation 1. */
  const settle = async (group: string, instance?: string) => {
    const keep = { [`member of ${group}`]: (answer: Answer): unknown => answer.memberId || undefined };
    const join = { ...(instance === undefined ? undefined : { instance }) };
    await both.same('first', JOIN, 9, joinBody(group, join), { keep });
    if (instance === undefined)
      await both.same('joins', JOIN, 9, joinBody(group, { member: `member of ${group}` }));
    await both.same(
      'assigns',
      SYNC,
      5,
      syncBody(group, `member of ${group}`, {
        instance: instance ?? null,
        assignments: { [`member of ${group}`]: '' },
      }),
    );
    await both.until(DESCRIBE, 5, { groups: [group] }, isGroup('Stable', 1));
  };

  await both.createTopics({ orders: { partitions: 3 }, payments: {} });

  await both.scenario(t, 'FindCoordinator', async () => {
    for (const key of ['g', '', 'a b', 'x'.repeat(500)]) {
      await both.each(`of "${key.slice(0, 9)}"`, FIND_COORDINATOR, [0, 6], {
        key,
        keyType: 0,
        coordinatorKeys: [key],
      });
    }
    await both.each('of several', FIND_COORDINATOR, [4, 6], {
      keyType: 0,
      coordinatorKeys: ['a', 'b', '', 'a'],
    });
    await both.each('of none', FIND_COORDINATOR, [4, 6], { keyType: 0, coordinatorKeys: [] });
    for (const keyType of [3, 127, -1]) {
      await both.each(`type ${keyType}`, FIND_COORDINATOR, [1, 6], {
        key: 'a',
        keyType,
        coordinatorKeys: ['a'],
      });
    }
    await both.each('a share group in old versions', FIND_COORDINATOR, [1, 5], {
      key: 'a',
      keyType: 2,
      coordinatorKeys: ['a'],
    });
    for (const key of ['a', 'a:b:0', 'a::0', ':', '']) {
      await both.same(`of share "${key}"`, FIND_COORDINATOR, 6, { keyType: 2, coordinatorKeys: [key] });
    }
  });

  await both.scenario(t, 'OffsetCommit and OffsetFetch without members', async () => {
    for (const topics of [null, [], [['orders', 0, 1]], [['nobody', 0]], [['orders']]] as const) {
      await offsets(`of an unknown group, ${JSON.stringify(topics)}`, 'alone', topics as never);
    }
    await commit('first', 'alone', [['orders', 0, 10]]);
    await commit('several', 'alone', [
      ['orders', 1, 11],
      ['payments', 0, 12],
      ['orders', 7, 1],
      ['nobody', 0, 1],
      ['b ad', 0, 1],
    ]);
    await commit('no metadata', 'alone', [['orders', 2, 5]], { metadata: null });
    await offsets('without metadata', 'alone', [['orders', 2]]);
    await commit('empty metadata', 'alone', [['orders', 2, 5]], { metadata: '' });
    await commit('much metadata', 'alone', [['orders', 2, 6]], { metadata: 'm'.repeat(4096) });
    await commit(
      'too much metadata',
      'alone',
      [
        ['orders', 2, 7],
        ['orders', 0, 20],
      ],
      { metadata: 'm'.repeat(4097) },
    );
    await commit('an epoch', 'alone', [['payments', 0, 30]], { epoch: 3, metadata: 'é' });
    await commit('a negative offset', 'alone', [['orders', 1, -1]]);
    await commit('a more negative offset', 'alone', [['orders', 1, -5]]);
    await commit('nothing', 'alone', []);
    for (const topics of [
      null,
      [],
      [['orders', 0, 1, 2]],
      [
        ['payments', 0],
        ['nobody', 0],
        ['orders', 9, 0],
      ],
      [['orders']],
    ] as const) {
      await offsets(`${JSON.stringify(topics)}`, 'alone', topics as never);
      await offsets(`${JSON.stringify(topics)}, stable`, 'alone', topics as never, { stable: true });
    }
    await offsets('twice', 'alone', [
      ['orders', 0, 0],
      ['orders', 0],
    ]);
    await both.each('several groups', OFFSET_FETCH, [8, 10], (side) => ({
      groups: ['alone', 'another', '', 'alone'].map((groupId) => ({
        groupId,
        topics: [{ name: 'orders', topicId: side.the('id of orders'), partitionIndexes: [0] }],
      })),
    }));
    await both.each('no groups', OFFSET_FETCH, [8, 10], { groups: [] });
    await both.same('retention', OFFSET_COMMIT, 4, (side) => ({
      ...commitBody('alone', [['orders', 0, 11]])(side),
      retentionTimeMs: 1_000_000,
    }));
    for (const generation of [0, 1, 5, -2])
      await commit(`generation ${generation}`, 'alone', [['orders', 0, 1]], { generation });
    await commit('a member', 'alone', [['orders', 0, 1]], { member: '?who' });
    await commit('a member and generation', 'new one', [['orders', 0, 1]], { member: '?who', generation: 1 });
    await both.each(
      'an instance',
      OFFSET_COMMIT,
      [7, 10],
      commitBody('alone', [['orders', 0, 1]], { instance: 'i' }),
    );
    await commit('no group', '', [['orders', 0, 1]]);
    await offsets('of no group', '', [['orders', 0]]);
    await both.each(
      'as a member',
      OFFSET_FETCH,
      [9, 10],
      offsetsBody('alone', [['orders', 0]], { member: '?who', epoch: 1 }),
    );
    await both.each(
      'as a member of epoch 0',
      OFFSET_FETCH,
      [9, 10],
      offsetsBody('alone', [['orders', 0]], { member: '?who', epoch: 0 }),
    );
    await both.each(
      'as a member of nothing',
      OFFSET_FETCH,
      [9, 10],
      offsetsBody('nothing', [['orders', 0]], { member: '?who', epoch: 1 }),
    );
    await both.each('of alone', DESCRIBE, [0, 6], { groups: ['alone'] });
  });

  await both.scenario(t, 'OffsetCommit by members', async () => {
    await settle('members');
    const member = 'member of members';
    await commit('of the member', 'members', [['orders', 0, 1]], { member, generation: 1 });
    for (const generation of [0, 2, -1])
      await commit(`generation ${generation}`, 'members', [['orders', 0, 2]], { member, generation });
    await commit('of another', 'members', [['orders', 0, 3]], { member: '?other', generation: 1 });
    await commit('of an administrator', 'members', [['orders', 0, 4]]);
    await commit('of an administrator with a generation', 'members', [['orders', 0, 4]], { generation: 1 });
    await both.each(
      'an instance that it has not',
      OFFSET_COMMIT,
      [7, 10],
      commitBody('members', [['orders', 0, 5]], { member, generation: 1, instance: 'i' }),
    );
    await offsets('of members', 'members', null);
    await both.each(
      'as the member',
      OFFSET_FETCH,
      [9, 10],
      offsetsBody('members', null, { member, epoch: 1 }),
    );
    await both.each(
      'as another',
      OFFSET_FETCH,
      [9, 10],
      offsetsBody('members', null, { member: '?other', epoch: 9 }),
    );
    await settle('members of one', 'one');
    const one = 'member of members of one';
    for (const [id, instance, generation] of [
      [one, 'one', 1],
      ['?other', 'one', 1],
      ['?', 'one', -1],
      [one, 'two', 1],
      [one, 'one', 3],
    ] as const) {
      await both.each(
        `as ${id} and ${instance} in ${generation}`,
        OFFSET_COMMIT,
        [7, 10],
        commitBody('members of one', [['orders', 0, 6]], { member: id, instance, generation }),
      );
    }
    await both.same('a second', JOIN, 9, joinBody('members'), {
      by: 'second',
      keep: { second: (answer: Answer) => answer.memberId },
    });
    const joining = both.same('a second', JOIN, 9, joinBody('members', { member: 'second' }), {
      by: 'second',
    });
    await both.until(DESCRIBE, 5, { groups: ['members'] }, isGroup('PreparingRebalance', 2));
    await commit('during a rebalance', 'members', [['orders', 0, 8]], { member, generation: 1 });
    await both.same('the first', JOIN, 9, joinBody('members', { member }));
    await joining;
    await commit('before the sync', 'members', [['orders', 0, 9]], { member, generation: 2 });
    await offsets('of members', 'members', [['orders', 0]]);
  });

  await both.scenario(t, 'OffsetDelete', async () => {
    const remove = (what: string, groupId: string, topics: Readonly<Record<string, number[]>>) =>
      both.same(what, OFFSET_DELETE, 0, {
        groupId,
        topics: Object.entries(topics).map(([name, partitions]) => ({
          name,
          partitions: partitions.map((partitionIndex) => ({ partitionIndex })),
        })),
      });
    await remove('of nobody', 'nobody', { orders: [0] });
    await remove('of no group', '', { orders: [0] });
    await remove('some', 'alone', { orders: [0, 9], nobody: [0], payments: [] });
    await remove('again', 'alone', { orders: [0] });
    await remove('nothing', 'alone', {});
    await remove('of a group with members', 'members', { orders: [0], payments: [0] });
    await offsets('what remains', 'alone', null);
  });

  await both.scenario(t, 'DescribeGroups, ListGroups and DeleteGroups', async () => {
    await both.each('several', DESCRIBE, [0, 6], { groups: ['alone', 'nobody', '', 'members', 'nobody'] });
    await both.each('none', DESCRIBE, [0, 6], { groups: [] });
    await both.each('operations', DESCRIBE, [3, 6], {
      groups: ['alone', 'nobody'],
      includeAuthorizedOperations: true,
    });
    await both.each('all', LIST, [0, 5], {});
    for (const state of [
      'Empty',
      'empty',
      'EMPTY',
      'Stable',
      'PreparingRebalance',
      'CompletingRebalance',
      'Dead',
      'nope',
      '',
    ]) {
      await both.each(`state ${state}`, LIST, [4, 5], { statesFilter: [state] });
    }
    await both.each('states', LIST, [4, 5], { statesFilter: ['Empty', 'Stable', 'Assigning'] });
    for (const type of [
      'classic',
      'Classic',
      'CLASSIC',
      'consumer',
      'share',
      'streams',
      'unknown',
      'nope',
      '',
    ]) {
      await both.same(`type ${type}`, LIST, 5, { typesFilter: [type] });
      await both.same(`type ${type} and state`, LIST, 5, {
        typesFilter: [type, 'consumer'],
        statesFilter: ['Empty'],
      });
    }
    const remove = (what: string, version: number, ...groupsNames: string[]) =>
      both.same(what, DELETE_GROUPS, version, { groupsNames });
    for (const version of [0, 1, 2, 3])
      await remove('what is not there', version, 'nobody', '', 'members', 'nobody');
    await remove('none', 3);
    await remove('one', 3, 'alone');
    await remove('again', 3, 'alone');
    await both.each('of what is gone', DESCRIBE, [0, 6], { groups: ['alone'] });
    await offsets('of what is gone', 'alone', null);
    await both.same('the last leaves', LEAVE, 5, leaveBody('members of one', ['?', 'one']));
    await offsets('of an empty group', 'members of one', null);
    await remove('one that was left', 2, 'members of one');
    await both.each('all', LIST, [0, 5], {});
  });
}
