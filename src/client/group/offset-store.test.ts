import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { ClientCore } from '../core.ts';
import { settingsOf } from '../options.ts';
import { TestCluster } from '../test-cluster.ts';
import { Coordinator } from './coordinator.ts';
import type { GroupMembership } from './group-membership.ts';
import { OffsetStore } from './offset-store.ts';
import type { Committer } from './offsets.ts';

const COMMIT = 8;
const FIND = 10;

/** A member of generation 1, and the errors that it is told of. */
class FakeMembership {
  committer: Committer = { memberId: 'm', generation: 1, instanceId: null };
  readonly noted: (number | undefined)[] = [];

  noteError(code: number | undefined): void {
    this.noted.push(code);
  }
}

test('that a commit is refused is news of the member only while it is the one that committed', async () => {
  const cluster = new TestCluster();
  const core = new ClientCore(cluster.clientPorts(), settingsOf({ bootstrap: cluster.bootstrap }));
  const membership = new FakeMembership();
  const at = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
  cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...at, coordinators: [{ key: 'g', ...at }] }));
  let joinsAnew = false;
  cluster.handlers.set(COMMIT, ({ body }) => {
    if (joinsAnew) membership.committer = { ...membership.committer, generation: 2 };
    const topics = body.topics.map((topic: object) => ({
      ...topic,
      partitions: [{ partitionIndex: 0, errorCode: Errors.ILLEGAL_GENERATION }],
    }));
    return { throttleTimeMs: 0, topics };
  });
  const store = new OffsetStore({
    core,
    coordinator: new Coordinator({ core, kind: 'group', key: 'g', lane: core.newLane('group') }),
    group: 'g',
    membership: membership as unknown as GroupMembership,
    autoCommitIntervalMs: undefined,
    processed: () => [],
    onCommit: () => {},
  });
  const commit = () => cluster.settle(store.commit([{ topic: 't', partition: 0, offset: 1 }]));
  await assert.rejects(commit(), { errorName: 'ILLEGAL_GENERATION' });
  assert.deepEqual(membership.noted, [Errors.ILLEGAL_GENERATION]);
  joinsAnew = true;
  await assert.rejects(commit(), { errorName: 'ILLEGAL_GENERATION' });
  assert.deepEqual(membership.noted, [Errors.ILLEGAL_GENERATION]);
  core.close();
});
