/** Classic groups whose members say nothing any more, and subscriptions that the broker reads. */
import type { TestContext } from 'node:test';

import type { Answer, Side, TwoBrokers } from '../two-brokers.ts';
import {
  commitBody,
  DELETE_GROUPS,
  DESCRIBE,
  HEARTBEAT,
  heartbeatBody,
  isGroup,
  JOIN,
  joinBody,
  LEAVE,
  leaveBody,
  OFFSET_COMMIT,
  OFFSET_DELETE,
  OFFSET_FETCH,
  offsetsBody,
  SYNC,
  syncBody,
  type JoinOptions,
} from './bodies.ts';

/** As short as the settings of the test allow. */
const SHORT_MS = 1_000;

export async function timeoutScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  const until = (group: string, state: string, count: number) =>
    both.until(DESCRIBE, 5, { groups: [group] }, isGroup(state, count));
  const joins = (name: string, group: string, options: JoinOptions = {}) =>
    both.same(`${name} joins`, JOIN, 9, joinBody(group, options), {
      by: name,
      keep: { [name]: (answer: Answer) => answer.memberId || undefined },
    });
  const settle = async (name: string, group: string, options: JoinOptions = {}) => {
    await joins(name, group, options);
    await joins(name, group, { ...options, member: name });
    await both.same('assigns', SYNC, 5, syncBody(group, name, { assignments: { [name]: 'all' } }), {
      by: name,
    });
    await until(group, 'Stable', 1);
  };
  const describes = (group: string) => both.each(`of ${group}`, DESCRIBE, [0, 6], { groups: [group] });

  await both.scenario(t, 'a member whose session ends', async () => {
    await settle('silent', 'session', { sessionMs: SHORT_MS });
    await until('session', 'Empty', 0);
    await describes('session');
    await both.each('of the silent', HEARTBEAT, [0, 4], heartbeatBody('session', 'silent'));
    await both.each('of the silent', SYNC, [0, 5], syncBody('session', 'silent'));
    await both.each('of the silent', LEAVE, [0, 5], leaveBody('session', ['silent', null]));
    await both.each(
      'of the silent',
      OFFSET_COMMIT,
      [2, 10],
      commitBody('session', [['orders', 0, 1]], { member: 'silent', generation: 1 }),
    );
    await joins('silent', 'session', { member: 'silent' });
    await joins('reborn', 'session');
    await joins('reborn', 'session', { member: 'reborn' });
    await describes('session');
  });

  await both.scenario(t, 'a member that was given an id and does not come', async () => {
    await joins('pending', 'pending', { sessionMs: SHORT_MS });
    await describes('pending');
    await both.same(
      'a heartbeat of it',
      HEARTBEAT,
      4,
      heartbeatBody('pending', 'pending', { generation: 0 }),
    );
    await both.same(
      'a commit of it',
      OFFSET_COMMIT,
      8,
      commitBody('pending', [['orders', 0, 1]], { member: 'pending', generation: 0 }),
    );
    await both.same('a sync of it', SYNC, 5, syncBody('pending', 'pending', { generation: 0 }));
    await both.same('a deletion around it', DELETE_GROUPS, 2, { groupsNames: ['pending'] });
    await both.same('it leaves', LEAVE, 5, leaveBody('pending', ['pending', null]));
    await joins('pending', 'pending', { member: 'pending' });
  });

  await both.scenario(t, 'a member that misses the rebalance', async () => {
    await settle('absent', 'missed', { rebalanceMs: SHORT_MS });
    await joins('present', 'missed', { rebalanceMs: SHORT_MS });
    await joins('present', 'missed', { member: 'present', rebalanceMs: SHORT_MS });
    await describes('missed');
    await both.same('of the absent', HEARTBEAT, 4, heartbeatBody('missed', 'absent', { generation: 1 }));
    await both.same(
      'of the absent in the new generation',
      SYNC,
      5,
      syncBody('missed', 'absent', { generation: 2 }),
    );
    // Nobody synchronises: when the time is over the group begins anew, without who did not.
    await until('missed', 'Empty', 0);
    await describes('missed');
    await both.same('of the late', SYNC, 5, syncBody('missed', 'present', { generation: 2 }));
  });

  await both.scenario(t, 'a leader that leaves while others wait for it', async () => {
    await settle('leaving', 'leaving', {});
    await joins('waiting', 'leaving');
    const waiting = joins('waiting', 'leaving', { member: 'waiting' });
    await until('leaving', 'PreparingRebalance', 2);
    await both.same('the leader leaves', LEAVE, 5, leaveBody('leaving', ['leaving', null]));
    await waiting;
    await describes('leaving');
  });

  await both.scenario(t, 'offsets of topics that a group is subscribed to', async () => {
    // Consumer protocol version 0: the version, one topic, no user data.
    const subscription = Buffer.concat([
      Buffer.from([0, 0, 0, 0, 0, 1, 0, 6]),
      Buffer.from('orders'),
      Buffer.from([255, 255, 255, 255]),
    ]);
    const body =
      (member: string) =>
      (side: Side): object => ({
        ...joinBody('subscribed', { member })(side),
        protocols: [{ name: 'range', metadata: subscription }],
      });
    const keep = { subscriber: (answer: Answer) => answer.memberId };
    await both.same('an id', JOIN, 9, body('?'), { keep });
    await both.same('joins', JOIN, 9, body('subscriber'));
    await both.same(
      'assigns',
      SYNC,
      5,
      syncBody('subscribed', 'subscriber', { assignments: { subscriber: '' } }),
    );
    await until('subscribed', 'Stable', 1);
    const offsets = [
      ['orders', 0, 1],
      ['payments', 0, 2],
    ] as const;
    await both.same(
      'commits',
      OFFSET_COMMIT,
      8,
      commitBody('subscribed', offsets, { member: 'subscriber', generation: 1 }),
    );
    const topics = ['orders', 'payments'].map((name) => ({
      name,
      partitions: [{ partitionIndex: 0 }, { partitionIndex: 8 }],
    }));
    await both.same('of both', OFFSET_DELETE, 0, { groupId: 'subscribed', topics });
    await both.same('what remains', OFFSET_FETCH, 8, offsetsBody('subscribed', null));
    await both.same('a group with members', DELETE_GROUPS, 2, { groupsNames: ['subscribed'] });
    await both.same('leaves', LEAVE, 5, leaveBody('subscribed', ['subscriber', null]));
    await both.same('of both', OFFSET_DELETE, 0, { groupId: 'subscribed', topics });
    await both.same('what remains', OFFSET_FETCH, 8, offsetsBody('subscribed', null));
    await describes('subscribed');
  });
}
