import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { brokerError, type KafkaError } from '../errors.ts';
import { Acknowledgements, AcknowledgeType, type Drained } from './acknowledgements.ts';
import type { AcquiredPart } from './acquired-part.ts';

const { GAP, ACCEPT, RELEASE } = AcknowledgeType;

function part(partition: number): AcquiredPart {
  return { at: { topic: 't', topicId: 'id', partition }, isLost: false } as AcquiredPart;
}

class Scene {
  readonly told: string[] = [];
  readonly all = new Acknowledgements({
    onAcknowledged: ({ partition }, ranges, error) => {
      const list = ranges.map(({ first, last }) => `${first}-${last}`).join();
      this.told.push(`${partition}: ${list} ${error?.errorName ?? 'ok'}`);
    },
  });

  add(of: AcquiredPart, first: number, type: AcknowledgeType = ACCEPT, lockedUntilMs = 100): void {
    this.all.add(of, { first, last: first, type, lockedUntilMs });
  }
}

function shown({ partitions }: Drained): string[] {
  return partitions.flatMap(({ at, batches }) =>
    batches.map(
      ({ firstOffset, lastOffset, acknowledgeTypes }) =>
        `${at.partition}: ${firstOffset}-${lastOffset} ${acknowledgeTypes.join()}`,
    ),
  );
}

const answered =
  (error?: KafkaError, isRetried = false) =>
  () => ({ error, isRetried });

test('what follows each other is said at once, in the order of offsets whatever the order of handlers', () => {
  const { all, add } = bound();
  const [zero, one] = [part(0), part(1)];
  for (const offset of [7, 8, 3, 5, 4]) add(zero, offset);
  add(zero, 6, RELEASE);
  add(zero, 9, GAP);
  add(one, 3);
  assert.deepEqual(shown(all.drain(0)), ['0: 3-5 1', '0: 6-6 2', '0: 7-8 1', '0: 9-9 0', '1: 3-3 1']);
  assert.ok(all.isEmpty);
});

test('who waits hears of what was said before, also when it is on its way already', async () => {
  const { all, add, told } = bound();
  assert.equal(await all.whenAnswered(), undefined);
  add(part(0), 1);
  const first = all.drain(0);
  add(part(0), 2);
  const waiting = all.whenAnswered();
  const second = all.drain(0);
  all.settle(second, answered());
  assert.deepEqual(told, ['0: 2-2 ok']);
  all.settle(first, answered(brokerError(Errors.INVALID_RECORD_STATE, 'no')));
  assert.equal((await waiting)?.errorName, 'INVALID_RECORD_STATE');
});

test('a lock that has ended is not put in the way of the others', async () => {
  const { all, add, told } = bound();
  const lost = part(1);
  add(part(0), 1, ACCEPT, 50);
  add(part(0), 3, ACCEPT, 200);
  add(lost, 1, ACCEPT, 200);
  const waiting = all.whenAnswered();
  Object.assign(lost, { isLost: true });
  assert.deepEqual(shown(all.drain(100)), ['0: 3-3 1']);
  assert.deepEqual(told, ['0: 1-1 ACQUISITION_LOST', '1: 1-1 ACQUISITION_LOST']);
  assert.equal((await waiting)?.errorName, 'ACQUISITION_LOST');
});

test('what passes is said again, and who waits goes on waiting', async () => {
  const { all, add, told } = bound();
  add(part(0), 1);
  const waiting = all.whenAnswered();
  all.settle(all.drain(0), answered(brokerError(Errors.COORDINATOR_LOAD_IN_PROGRESS, 'later'), true));
  assert.deepEqual(told, []);
  assert.ok(all.isUrgent);
  all.settle(all.drain(0), answered());
  assert.equal(await waiting, undefined);
  assert.deepEqual(told, ['0: 1-1 ok']);
});

function bound() {
  const scene = new Scene();
  return { all: scene.all, told: scene.told, add: scene.add.bind(scene) };
}
