import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { ControllerDuty } from './controller-duty.ts';
import { ClusterImage } from './image.ts';
import { CONTROLLER_KEY } from './keys.ts';
import { ControllerRecord, encodeRecord } from './records.ts';

/** A duty of node 1 whose controller does as `claim` and `reelect` say. */
function duty(acts: { claim?: () => Promise<boolean>; reelect?: () => Promise<void> }) {
  const ports = simulatedPorts({ seed: 1 });
  const image = new ClusterImage();
  const calls = { claim: 0, reelect: 0, resign: 0 };
  const session: Session = { id: 's', onLost: () => {}, isAlive: () => true, close: () => Promise.resolve() };
  const controller = {
    isActive: false,
    async claim() {
      calls.claim++;
      controller.isActive = (await acts.claim?.()) ?? true;
      return controller.isActive;
    },
    async reelect() {
      calls.reelect++;
      await acts.reelect?.();
    },
    removeOrphans: () => Promise.resolve(),
    rebalanceLeaders: () => Promise.resolve(),
    resign: async () => void calls.resign++,
  };
  const made = new ControllerDuty({
    controller,
    image,
    nodeId: 1,
    session: () => session,
    rebalance: () => ({ isEnabled: false, intervalMs: 300_000 }),
    ports,
  });
  const claimedBy = (nodeId: number | undefined): void => {
    const revision = image.revision + 1;
    const value = nodeId === undefined ? undefined : encodeRecord(ControllerRecord, { nodeId });
    image.apply(revision, [{ key: CONTROLLER_KEY, value, createRevision: revision, modRevision: revision }]);
  };
  return { duty: made, ports, calls, controller, claimedBy };
}

test('elections that the store did not answer are tried again', async () => {
  let failures = 3;
  const world = duty({
    reelect: () =>
      failures-- > 0 ? Promise.reject(new KafkaError(Errors.REQUEST_TIMED_OUT)) : Promise.resolve(),
  });
  const started = world.duty.start();
  await world.ports.time.settle(started);
  assert.equal(world.calls.reelect, 4);
});

test('a deposed controller stops its work', async () => {
  const world = duty({ reelect: () => Promise.reject(new KafkaError(Errors.NOT_CONTROLLER)) });
  await world.ports.time.settle(world.duty.start());
  await world.ports.time.advance(60_000);
  assert.equal(world.calls.reelect, 1);
});

test('a controller that was deposed and decides again goes on, though the work of its last term ends late', async () => {
  let refuse = (): void => {};
  const world = duty({
    reelect: () =>
      world.calls.reelect > 1
        ? Promise.resolve()
        : new Promise((_, reject) => (refuse = () => reject(new KafkaError(Errors.NOT_CONTROLLER)))),
  });
  const started = world.duty.start();
  await world.ports.time.advance(100);
  world.claimedBy(2);
  world.controller.isActive = false;
  world.claimedBy(undefined);
  await world.ports.time.advance(5_000);
  assert.deepEqual([world.calls.claim, world.calls.reelect], [2, 1]);
  refuse();
  await world.ports.time.settle(started);
  await world.ports.time.advance(1_000);
  assert.equal(world.calls.reelect, 2);
});

test('a claim that nobody answered is tried again', async () => {
  let failures = 2;
  const world = duty({
    claim: () => (failures-- > 0 ? Promise.reject(new Error('no answer')) : Promise.resolve(true)),
  });
  await world.ports.time.settle(world.duty.start());
  await world.ports.time.advance(5_000);
  assert.deepEqual([world.calls.claim, world.calls.reelect], [3, 1]);
});

test('a claim of its own that a broker did not know of is taken up', async () => {
  const world = duty({});
  world.claimedBy(2);
  await world.ports.time.settle(world.duty.start());
  assert.equal(world.calls.claim, 0);
  world.claimedBy(1);
  await world.ports.time.advance(1_000);
  assert.deepEqual([world.calls.claim, world.calls.reelect], [1, 1]);
});

test('what is vacant is claimed, once the broker has not stopped', async () => {
  const world = duty({});
  world.claimedBy(2);
  await world.ports.time.settle(world.duty.start());
  world.claimedBy(undefined);
  await world.ports.time.advance(1_000);
  assert.equal(world.calls.claim, 1);
  await world.duty.stop();
  assert.equal(world.calls.resign, 1);
  world.controller.isActive = false;
  world.claimedBy(undefined);
  await world.ports.time.advance(1_000);
  assert.equal(world.calls.claim, 1);
});
