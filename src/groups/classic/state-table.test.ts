/** Each state of a classic group against each request: one table, so that a hole shows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors, errorName } from '../../protocol/errors.ts';
import { Scene } from '../group-scene-contract.ts';

/** A group brought into a state: the member that asks, and the generation it knows. */
interface Stage {
  readonly scene: Scene;
  readonly memberId: string;
  readonly generationId: number;
}

const STAGES: Readonly<Record<string, () => Promise<Stage>>> = {
  async none() {
    return { scene: await Scene.begin(), memberId: 'm', generationId: 1 };
  },
  async simple() {
    const scene = await Scene.begin();
    await scene.commit({ offset: 1 });
    return { scene, memberId: 'm', generationId: 1 };
  },
  async Empty() {
    const scene = await Scene.begin();
    const { members } = await scene.stableGroup(1);
    await scene.leave({ memberId: members[0] });
    return { scene, memberId: members[0], generationId: 2 };
  },
  async PreparingRebalance() {
    const scene = await Scene.begin();
    const { members } = await scene.stableGroup(2);
    scene.join({ memberId: members[0] });
    await scene.time.advance(0);
    return { scene, memberId: members[1], generationId: 1 };
  },
  async CompletingRebalance() {
    const scene = await Scene.begin();
    const joins = [await scene.joinFully(), await scene.joinFully()];
    await scene.time.advance(9000);
    const follower = joins.find(({ response }) => response!.leader !== response!.memberId)!;
    return { scene, memberId: follower.response!.memberId, generationId: 1 };
  },
  async Stable() {
    const scene = await Scene.begin();
    const { members } = await scene.stableGroup(2);
    return { scene, memberId: members[1], generationId: 1 };
  },
};

type Ask = (stage: Stage) => Promise<string>;

/** `waits` when there is no answer within the second. */
async function answer(stage: Stage, started: Promise<number>): Promise<string> {
  let code: number | undefined;
  void started.then((errorCode) => (code = errorCode));
  await stage.scene.time.advance(1000);
  return code === undefined ? 'waits' : errorName(code as 0);
}

const EVENTS: Readonly<Record<string, Ask>> = {
  'JoinGroup without id': (stage) =>
    answer(
      stage,
      stage.scene.join().promise.then((response) => response.errorCode),
    ),
  'JoinGroup as member': (stage) =>
    answer(
      stage,
      stage.scene.join({ memberId: stage.memberId }).promise.then((response) => response.errorCode),
    ),
  'SyncGroup as follower': (stage) =>
    answer(
      stage,
      stage.scene.sync(stage).promise.then((response) => response.errorCode),
    ),
  Heartbeat: (stage) => answer(stage, stage.scene.heartbeat(stage)),
  LeaveGroup: (stage) =>
    answer(
      stage,
      stage.scene.leave({ memberId: stage.memberId }).then(([code]) => code),
    ),
  'OffsetCommit as member': (stage) => {
    const { memberId, generationId } = stage;
    const commit = stage.scene.startCommit({ memberId, generationIdOrMemberEpoch: generationId });
    return answer(
      stage,
      commit.then(([{ partitions }]) => partitions[0].errorCode),
    );
  },
  'OffsetCommit as admin': (stage) =>
    answer(
      stage,
      stage.scene.startCommit({}).then(([{ partitions }]) => partitions[0].errorCode),
    ),
  'OffsetDelete of the topic': (stage) =>
    answer(
      stage,
      stage.scene.coordinator
        .deleteOffsets({ groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
        .then(({ errorCode, topics }) => errorCode || topics[0].partitions[0].errorCode),
    ),
  'OffsetDelete of another topic': (stage) =>
    answer(
      stage,
      stage.scene.coordinator
        .deleteOffsets({ groupId: 'g', topics: [{ name: 'u', partitions: [{ partitionIndex: 0 }] }] })
        .then(({ errorCode, topics }) => errorCode || topics[0].partitions[0].errorCode),
    ),
  DeleteGroups: (stage) =>
    answer(
      stage,
      stage.scene.coordinator.deleteGroups(['g']).then(([{ errorCode }]) => errorCode),
    ),
  'DescribeGroups v6': (stage) => Promise.resolve(stage.scene.state()),
};

const UNKNOWN = 'UNKNOWN_MEMBER_ID';
const REBALANCE = 'REBALANCE_IN_PROGRESS';
const REQUIRED = 'MEMBER_ID_REQUIRED';
const SUBSCRIBED = 'GROUP_SUBSCRIBED_TO_TOPIC';
const NOT_FOUND = 'GROUP_ID_NOT_FOUND';

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  //                               none       simple     Empty      Preparing   Completing  Stable
  'JoinGroup without id': [REQUIRED, REQUIRED, REQUIRED, REQUIRED, REQUIRED, REQUIRED],
  'JoinGroup as member': [UNKNOWN, UNKNOWN, UNKNOWN, 'NONE', 'NONE', 'NONE'],
  'SyncGroup as follower': [UNKNOWN, UNKNOWN, UNKNOWN, REBALANCE, 'waits', 'NONE'],
  Heartbeat: [UNKNOWN, UNKNOWN, UNKNOWN, REBALANCE, 'NONE', 'NONE'],
  LeaveGroup: [UNKNOWN, UNKNOWN, UNKNOWN, 'NONE', 'NONE', 'NONE'],
  'OffsetCommit as member': [NOT_FOUND, UNKNOWN, UNKNOWN, 'NONE', REBALANCE, 'NONE'],
  'OffsetCommit as admin': ['NONE', 'NONE', 'NONE', UNKNOWN, UNKNOWN, UNKNOWN],
  'OffsetDelete of the topic': [NOT_FOUND, 'NONE', 'NONE', SUBSCRIBED, SUBSCRIBED, SUBSCRIBED],
  'OffsetDelete of another topic': [NOT_FOUND, 'NONE', 'NONE', 'NONE', 'NONE', 'NONE'],
  DeleteGroups: [NOT_FOUND, 'NONE', 'NONE', 'NON_EMPTY_GROUP', 'NON_EMPTY_GROUP', 'NON_EMPTY_GROUP'],
  'DescribeGroups v6': ['Dead', 'Empty', 'Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable'],
};

for (const [event, ask] of Object.entries(EVENTS)) {
  test(`item 54: ${event} in each state of the group`, async () => {
    const found: Record<string, string> = {};
    const expected: Record<string, string> = {};
    let column = 0;
    for (const [state, bring] of Object.entries(STAGES)) {
      found[state] = await ask(await bring());
      expected[state] = EXPECTED[event][column++];
    }
    assert.deepEqual(found, expected);
  });
}

test('the table has a row for each event', () => {
  assert.deepEqual(Object.keys(EXPECTED), Object.keys(EVENTS));
  assert.equal(Errors.NONE, 0);
});
