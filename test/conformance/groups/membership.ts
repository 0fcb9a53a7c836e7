/** Classic groups: joining, synchronising, staying and leaving. */
import type { TestContext } from 'node:test';

import type { Answer, TwoBrokers } from '../two-brokers.ts';
import {
  DESCRIBE,
  HEARTBEAT,
  heartbeatBody,
  isGroup,
  JOIN,
  joinBody,
  LEAVE,
  leaveBody,
  SYNC,
  syncBody,
  type JoinOptions,
} from './bodies.ts';

const JOIN_VERSIONS = [0, 9] as const;
const memberId = (answer: Answer): unknown => answer.memberId || undefined;

export async function membershipScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  const until = (group: string, state: string, count: number) =>
    both.until(DESCRIBE, 5, { groups: [group] }, isGroup(state, count));
  /** A first member, stable in generation 1, with the id that is kept under its name. */
  const settle = async (group: string, name: string, options: JoinOptions = {}) => {
    const keep = { [name]: memberId };
    if (options.instance === undefined)
      await both.same('first', JOIN, 9, joinBody(group, options), { by: name, keep });
    await both.same(
      'joins',
      JOIN,
      9,
      joinBody(group, options.instance === undefined ? { member: name, ...options } : options),
      { by: name, keep },
    );
    await both.same(
      'assigns',
      SYNC,
      5,
      syncBody(group, name, { instance: options.instance ?? null, assignments: { [name]: 'all' } }),
      { by: name },
    );
    await until(group, 'Stable', 1);
  };
  const joins = (name: string, group: string, options: JoinOptions = {}, version = 9) =>
    both.same(`${name} joins`, JOIN, version, joinBody(group, options), {
      by: name,
      keep: { [name]: memberId },
    });
  const syncs = (name: string, group: string, options: Parameters<typeof syncBody>[2] = {}, version = 5) =>
    both.same(`${name} syncs`, SYNC, version, syncBody(group, name, options), { by: name });
  const beats = (
    what: string,
    group: string,
    member: string,
    options: Parameters<typeof heartbeatBody>[2] = {},
  ) =>
    both.each(
      what,
      HEARTBEAT,
      [0, options.instance === undefined ? 4 : 4],
      heartbeatBody(group, member, options),
    );
  const describes = (group: string) => both.each(`of ${group}`, DESCRIBE, [0, 6], { groups: [group] });

  await both.scenario(t, 'JoinGroup: what cannot be', async () => {
    await both.each('no group', JOIN, JOIN_VERSIONS, joinBody(''));
    for (const sessionMs of [0, 1, 999, 1_800_001, -1]) {
      await both.each(`session ${sessionMs}`, JOIN, JOIN_VERSIONS, joinBody('wrong', { sessionMs }));
    }
    await both.each('no protocols', JOIN, JOIN_VERSIONS, joinBody('wrong', { protocols: [] }));
    await both.each('no protocol type', JOIN, JOIN_VERSIONS, joinBody('wrong', { type: '' }));
    await both.each('an unknown member', JOIN, JOIN_VERSIONS, joinBody('wrong', { member: '?unknown' }));
    await both.each(
      'an unknown static member',
      JOIN,
      [5, 9],
      joinBody('wrong', { member: '?unknown', instance: 'i' }),
    );
    for (let version = 5; version <= 9; version++) {
      await joins(`empty instance ${version}`, 'wrong', { instance: '' }, version);
    }
    await describes('wrong');
  });

  await both.scenario(t, 'JoinGroup: a first member in each version', async () => {
    for (let version = 0; version <= 9; version++) {
      const [group, name] = [`first ${version}`, `first member ${version}`];
      await joins(name, group, {}, version);
      if (version >= 4) await joins(name, group, { member: name }, version);
      await both.each('before the sync', HEARTBEAT, [0, 4], heartbeatBody(group, name), { by: name });
      await describes(group);
      await syncs(name, group, { assignments: { [name]: 'all' } }, Math.min(version, 5));
      await until(group, 'Stable', 1);
      await syncs(name, group, {}, Math.min(version, 5));
      await both.each('after the sync', HEARTBEAT, [0, 4], heartbeatBody(group, name), { by: name });
      await describes(group);
      await both.same('leaves', LEAVE, Math.min(version, 5), leaveBody(group, [name, null]));
      await both.same('leaves again', LEAVE, Math.min(version, 5), leaveBody(group, [name, null]));
      await describes(group);
    }
  });

  await both.scenario(t, 'JoinGroup: a client id is part of the member id', async () => {
    for (const clientId of [null, '', 'some client']) {
      const answers = await both.same(`client ${clientId}`, JOIN, 4, joinBody(`clients`), {
        clientId,
        keep: { [`member of ${clientId}`]: memberId },
      });
      both.equal(
        'its beginning',
        answers.map((answer) => answer.memberId.slice(0, -36)),
      );
    }
  });

  await both.scenario(t, 'Heartbeat, SyncGroup and LeaveGroup: what cannot be', async () => {
    await settle('steady', 'steady one');
    for (const generation of [0, 2, -1]) {
      await beats(`generation ${generation}`, 'steady', 'steady one', { generation });
      await both.each(
        `generation ${generation}`,
        SYNC,
        [0, 5],
        syncBody('steady', 'steady one', { generation }),
      );
    }
    for (const [group, member] of [
      ['steady', '?unknown'],
      ['steady', '?'],
      ['nobody', '?unknown'],
      ['', '?unknown'],
      ['nobody', '?'],
    ] as const) {
      const what = `group "${group}" member "${member}"`;
      await beats(what, group, member);
      await both.each(what, SYNC, [0, 5], syncBody(group, member));
      await both.each(what, LEAVE, [0, 5], leaveBody(group, [member, null]));
      await both.each(`${what}, static`, HEARTBEAT, [3, 4], heartbeatBody(group, member, { instance: 'i' }));
      await both.each(`${what}, static`, SYNC, [3, 5], syncBody(group, member, { instance: 'i' }));
      await both.each(`${what}, static`, LEAVE, [3, 5], leaveBody(group, [member, 'i']));
    }
    await both.same('another protocol type', SYNC, 5, syncBody('steady', 'steady one', { type: 'connect' }));
    await both.same('another protocol', SYNC, 5, syncBody('steady', 'steady one', { protocol: 'sticky' }));
    await both.same('no protocol type', SYNC, 5, syncBody('steady', 'steady one', { type: null }));
    await both.same('no protocol', SYNC, 5, syncBody('steady', 'steady one', { protocol: null }));
    await both.each(
      'an instance that it has not',
      HEARTBEAT,
      [3, 4],
      heartbeatBody('steady', 'steady one', { instance: 'i' }),
    );
    await both.each('nobody', LEAVE, [3, 5], leaveBody('steady'));
    await both.each(
      'several that are not there',
      LEAVE,
      [3, 5],
      leaveBody('steady', ['?a', null], ['?b', 'b'], ['?', 'c']),
    );
    await both.each('another protocol', JOIN, JOIN_VERSIONS, joinBody('steady', { protocols: ['other'] }));
    await both.each('another type', JOIN, JOIN_VERSIONS, joinBody('steady', { type: 'connect' }));
    await both.each('an unknown member', JOIN, JOIN_VERSIONS, joinBody('steady', { member: '?unknown' }));
    await describes('steady');
  });

  await both.scenario(t, 'a second member comes and goes', async () => {
    await settle('two', 'leader');
    await joins('follower', 'two');
    const follower = joins('follower', 'two', { member: 'follower' });
    await until('two', 'PreparingRebalance', 2);
    await beats('during the rebalance', 'two', 'leader');
    await beats('during the rebalance, of who waits', 'two', 'follower');
    await both.each('during the rebalance', SYNC, [0, 5], syncBody('two', 'leader'));
    await describes('two');
    await joins('leader', 'two', { member: 'leader' });
    await follower;
    await describes('two');
    await beats('before the sync', 'two', 'leader', { generation: 2 });
    const synced = syncs('follower', 'two', { generation: 2 });
    await syncs('leader', 'two', { generation: 2, assignments: { leader: 'its', follower: 'others' } });
    await synced;
    await until('two', 'Stable', 2);
    await describes('two');
    await joins('follower', 'two', { member: 'follower' });
    await beats('after a follower joined unchanged', 'two', 'leader', { generation: 2 });
    const changed = joins('follower', 'two', { member: 'follower', metadata: 'changed' });
    await until('two', 'PreparingRebalance', 2);
    await joins('leader', 'two', { member: 'leader' });
    await changed;
    await both.each('while others wait', LEAVE, [5, 5], leaveBody('two', ['follower', null]));
    await beats('after one left', 'two', 'leader', { generation: 3 });
    await beats('of who left', 'two', 'follower', { generation: 3 });
    await joins('leader', 'two', { member: 'leader', protocols: ['range', 'sticky'] });
    await syncs('leader', 'two', { generation: 4, assignments: { leader: 'all', follower: 'none' } });
    await until('two', 'Stable', 1);
    await joins('leader', 'two', { member: 'leader', protocols: ['range', 'sticky'] });
    await describes('two');
  });

  await both.scenario(t, 'protocols are chosen by vote', async () => {
    await settle('vote', 'voter', { protocols: ['range', 'sticky'] });
    await joins('second voter', 'vote', { protocols: ['sticky', 'range'] });
    const second = joins('second voter', 'vote', { member: 'second voter', protocols: ['sticky', 'other'] });
    await until('vote', 'PreparingRebalance', 2);
    await both.same('nothing in common', JOIN, 9, joinBody('vote', { protocols: ['range'] }), {
      by: 'third voter',
    });
    await joins('voter', 'vote', { member: 'voter', protocols: ['range', 'sticky'] });
    await second;
    await describes('vote');
  });

  await both.scenario(t, 'static members', async () => {
    await settle('static', 'static one', { instance: 'one' });
    await joins('static replaced', 'static', { instance: 'one' });
    await describes('static');
    await both.each(
      'of the replaced',
      HEARTBEAT,
      [3, 4],
      heartbeatBody('static', 'static one', { instance: 'one' }),
    );
    await both.each(
      'of the replaced, without instance',
      HEARTBEAT,
      [0, 4],
      heartbeatBody('static', 'static one'),
    );
    await both.each('of the replaced', SYNC, [3, 5], syncBody('static', 'static one', { instance: 'one' }));
    await both.each(
      'of the replaced',
      JOIN,
      [5, 9],
      joinBody('static', { member: 'static one', instance: 'one' }),
    );
    await both.each('of the replaced', LEAVE, [3, 5], leaveBody('static', ['static one', 'one']));
    await both.each(
      'of the new',
      HEARTBEAT,
      [3, 4],
      heartbeatBody('static', 'static replaced', { instance: 'one' }),
    );
    await both.each('of the new', SYNC, [3, 5], syncBody('static', 'static replaced', { instance: 'one' }));
    await both.each(
      'of another instance',
      HEARTBEAT,
      [3, 4],
      heartbeatBody('static', 'static replaced', { instance: 'two' }),
    );
    for (const version of [5, 6, 7, 8, 9]) {
      await joins(`static ${version}`, 'static', { instance: 'one' }, version);
    }
    const changed = await joins('static changed', 'static', { instance: 'one', metadata: 'changed' });
    both.equal('changed', changed);
    await both.same(
      'assigns',
      SYNC,
      5,
      syncBody('static', 'static changed', {
        instance: 'one',
        generation: 2,
        assignments: { 'static changed': 'all' },
      }),
    );
    await joins('static again', 'static', { member: 'static changed', instance: 'one' });
    await describes('static');
    const second = joins('static two', 'static', { instance: 'two' });
    await until('static', 'PreparingRebalance', 2);
    const isTwo = ({ groupInstanceId }: Answer): boolean => groupInstanceId === 'two';
    await both.same(
      'static again leads',
      JOIN,
      9,
      joinBody('static', { member: 'static again', instance: 'one' }),
      {
        keep: { 'static two': (answer: Answer) => answer.members.find(isTwo).memberId },
      },
    );
    await second;
    await describes('static');
    await both.each(
      'by instance alone',
      LEAVE,
      [4, 4],
      leaveBody('static', ['?', 'two'], ['?', 'three'], ['?wrong', 'one']),
    );
    await both.each('by id alone', LEAVE, [4, 4], leaveBody('static', ['static again', null]));
    await describes('static');
  });

  await both.scenario(t, 'static members of the old versions have no skipAssignment', async () => {
    for (const version of [5, 8, 9]) {
      const [group, name] = [`skip ${version}`, `skip member ${version}`];
      await settle(group, name, { instance: 'one' });
      await joins(`${name} anew`, group, { instance: 'one' }, version);
      await describes(group);
    }
  });
}
