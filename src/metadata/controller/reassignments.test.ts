import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, type ClusterSketch } from '../../../test/cluster-images.ts';
import { Errors } from '../../protocol/errors.ts';
import { settled } from './leadership.ts';
import { alterReassignments, finishedReassignment, isReassigning } from './reassignments.ts';

const rules = (minimum = 1) => ({ minInsyncReplicas: () => minimum, mayElectUncleanly: () => false });
const THREE: ClusterSketch = { alive: [1, 2, 3], topics: { t: [[1, 2]] } };

function reassign(
  sketch: ClusterSketch,
  replicas: readonly number[] | null,
  allowChange = true,
  minimum = 1,
) {
  const image = clusterImage(sketch);
  const decision = alterReassignments(image, [{ topic: 't', partition: 0, replicas }], {
    rules: rules(minimum),
    allowReplicationFactorChange: allowChange,
  });
  after(image, decision);
  const [{ errorCode, errorMessage }] = decision.result;
  const {
    replicas: now,
    isr,
    leader,
    addingReplicas,
    removingReplicas,
    leaderEpoch,
  } = image.partition('t', 0)!;
  const state = {
    replicas: now,
    isr,
    leader,
    adding: addingReplicas,
    removing: removingReplicas,
    leaderEpoch,
  };
  return { errorCode, errorMessage, operations: decision.operations.length, state };
}

test('new replicas are added before old ones go', () => {
  assert.deepEqual(reassign(THREE, [2, 3]), {
    errorCode: Errors.NONE,
    errorMessage: null,
    operations: 1,
    state: { replicas: [2, 3, 1], isr: [1, 2], leader: 1, adding: [3], removing: [1], leaderEpoch: 0 },
  });
});

test('a reassignment ends when the new replicas are in sync, and the leader is one that stays', () => {
  const changed = { 't-0': { replicas: [2, 3, 1], leader: 1, addingReplicas: [3], removingReplicas: [1] } };
  const image = clusterImage({ ...THREE, changed });
  const moving = image.partition('t', 0)!;
  assert.equal(isReassigning(moving), true);
  assert.equal(finishedReassignment(image, { ...moving, isr: [1, 2] }, 1), undefined);
  assert.deepEqual(finishedReassignment(image, { ...moving, isr: [1, 2, 3] }, 1), {
    replicas: [2, 3],
    isr: [2, 3],
    leader: 2,
    elr: [],
    addingReplicas: [],
    removingReplicas: [],
  });
});

test('an order that needs no new replica is reached at once', () => {
  const { operations, state } = reassign(THREE, [2, 1]);
  assert.deepEqual(
    { operations, state },
    {
      operations: 1,
      state: { replicas: [2, 1], isr: [1, 2], leader: 1, adding: [], removing: [], leaderEpoch: 0 },
    },
  );
});

test('a replica that is only taken away goes at once, and the term is a new one', () => {
  const { state } = reassign(THREE, [2]);
  assert.deepEqual(state, { replicas: [2], isr: [2], leader: 2, adding: [], removing: [], leaderEpoch: 1 });
});

test('the replicas that there are already, as on a broker alone, are no change and no error', () => {
  const { errorCode, operations } = reassign({ topics: { t: [[1]] } }, [1]);
  assert.deepEqual({ errorCode, operations }, { errorCode: Errors.NONE, operations: 0 });
});

test('stopping a reassignment restores the replicas, and without one there is nothing to stop', () => {
  const changed = {
    't-0': { replicas: [2, 3, 1], isr: [1, 2], leader: 1, addingReplicas: [3], removingReplicas: [1] },
  };
  const { errorCode, state } = reassign({ ...THREE, changed }, null);
  assert.deepEqual(
    {
      errorCode,
      replicas: new Set(state.replicas),
      isr: state.isr,
      adding: state.adding,
      removing: state.removing,
    },
    { errorCode: Errors.NONE, replicas: new Set([1, 2]), isr: [1, 2], adding: [], removing: [] },
  );
  const { errorMessage, ...nothing } = reassign(THREE, null);
  assert.deepEqual([nothing.errorCode, errorMessage], [Errors.NO_REASSIGNMENT_IN_PROGRESS, null]);
});

test('what a request gets wrong is told in Kafka’s words', () => {
  const outcome = (replicas: readonly number[], allowChange = true) => {
    const { errorCode, errorMessage } = reassign({ topics: { t: [[1]] } }, replicas, allowChange);
    return [errorCode, errorMessage];
  };
  assert.deepEqual(
    [outcome([]), outcome([2]), outcome([1, 1]), outcome([1, -1])],
    [
      [39, 'The manual partition assignment includes an empty replica list.'],
      [39, 'The manual partition assignment includes broker 2, but no such broker is registered.'],
      [39, 'The manual partition assignment includes the broker 1 more than once.'],
      [39, 'The manual partition assignment includes broker -1, but no such broker is registered.'],
    ],
  );
  const { errorCode, errorMessage } = reassign(THREE, [1], false);
  assert.deepEqual([errorCode, errorMessage], [38, 'The replication factor is changed from 2 to 1']);
  const image = clusterImage(THREE);
  const unknown = ['x', 't'].map((topic) => ({ topic, partition: 4, replicas: [1] }));
  assert.deepEqual(
    alterReassignments(image, unknown, { rules: rules(), allowReplicationFactorChange: true }).result.map(
      (one) => [one.errorCode, one.errorMessage],
    ),
    [
      [3, 'Unable to find a topic named x.'],
      [3, 'Unable to find partition t:4.'],
    ],
  );
});

test('a partition that a request names twice is refused the second time', () => {
  const image = clusterImage(THREE);
  const requests = [
    [2, 3],
    [1, 3],
  ].map((replicas) => ({ topic: 't', partition: 0, replicas }));
  const options = { rules: rules(), allowReplicationFactorChange: true };
  const decision = alterReassignments(image, requests, options);
  assert.deepEqual(
    [decision.operations.length, decision.result.map((one) => one.errorCode)],
    [1, [Errors.NONE, Errors.INVALID_REQUEST]],
  );
});

test('another target drops the candidates of the first, but keeps for now one that is in sync already', () => {
  const changed = {
    't-0': {
      replicas: [2, 3, 4, 1],
      isr: [1, 2, 4],
      leader: 4,
      addingReplicas: [3, 4],
      removingReplicas: [1],
    },
  };
  const { state } = reassign({ alive: [1, 2, 3, 4, 5], topics: { t: [[1, 2]] }, changed }, [2, 5]);
  assert.deepEqual(state, {
    replicas: [2, 5, 4, 1],
    isr: [1, 2, 4],
    leader: 4,
    adding: [5],
    removing: [4, 1],
    leaderEpoch: 1,
  });
});

test('whoever is to go stays while without it fewer than the minimum would be in sync', () => {
  const sketch: ClusterSketch = { alive: [2, 3], fenced: [1], topics: { t: [[1, 2, 3]] } };
  const { state } = reassign(sketch, [1, 2], true, 2);
  assert.deepEqual([state.replicas, state.isr, state.adding, state.removing], [[1, 2, 3], [2, 3], [], [3]]);
  assert.deepEqual(reassign(sketch, [1, 2], true, 1).state.replicas, [1, 2]);
  // Also where the minimum is missed already.
  assert.deepEqual(reassign(sketch, [1, 2], true, 3).state.removing, [3]);
});

test('a move that others made possible ends by the controller, whoever it is', () => {
  const changed = {
    't-0': { replicas: [3, 1], isr: [1, 3], leader: 1, addingReplicas: [3], removingReplicas: [1] },
  };
  const image = clusterImage({ ...THREE, topics: { t: [[1]] }, changed });
  const update = settled(image, image.partition('t', 0)!, { topic: 't', rules: rules() });
  assert.deepEqual(update, {
    replicas: [3],
    isr: [3],
    leader: 3,
    elr: [],
    addingReplicas: [],
    removingReplicas: [],
    directories: update?.directories,
  });
});
