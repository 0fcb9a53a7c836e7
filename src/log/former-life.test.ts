import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLife, keptOf, parseLife, type FormerLife } from './former-life.ts';

const registered = { epoch: 7, directories: ['a', 'b'] };
const life = (directoryId: string, changes: Partial<FormerLife> = {}): FormerLife => ({
  directoryId,
  brokerEpoch: 7,
  bootId: 'boot 1',
  wasClean: false,
  ...changes,
});

test('R09: when only the process died, everything is there; when the system did, what was synced', () => {
  const lives = [life('a'), life('b')];
  assert.equal(keptOf(lives, registered, 'boot 1'), 'everything');
  assert.equal(keptOf(lives, registered, 'boot 2'), 'durable');
  assert.equal(keptOf(lives, registered, undefined), 'durable');
  const untold = [life('a', { bootId: undefined }), life('b', { bootId: undefined })];
  assert.equal(keptOf(untold, registered, undefined), 'durable');
});

test('R08: after a clean shutdown everything is there, if every directory was closed by it', () => {
  const clean = { wasClean: true };
  assert.equal(keptOf([life('a', clean), life('b', clean)], registered, 'boot 2'), 'everything');
  assert.equal(keptOf([life('a', clean), life('b')], registered, 'boot 2'), 'durable');
});

test('R08: a directory that is missing, new or from another time makes everything uncertain', () => {
  assert.equal(keptOf([life('a')], registered, 'boot 1'), 'unknown');
  assert.equal(keptOf([life('a'), life('c')], registered, 'boot 1'), 'unknown');
  assert.equal(keptOf([life('a'), life('b', { brokerEpoch: 5 })], registered, 'boot 1'), 'unknown');
  assert.equal(
    keptOf([life('a', { wasClean: true, brokerEpoch: -1 }), life('b')], registered, undefined),
    'unknown',
  );
  assert.equal(keptOf([], { epoch: 0, directories: [] }, 'boot 1'), 'unknown');
});

test('R08: a directory that was away in the last life may have brought anything back', () => {
  const lives = [life('a'), life('b'), life('c', { brokerEpoch: 5 })];
  assert.equal(keptOf(lives, registered, 'boot 1'), 'unknown');
});

test('a directory that was not in use before holds nothing that could be missing', () => {
  assert.equal(
    keptOf([life('a'), life('b'), life('c', { brokerEpoch: -1 })], registered, 'boot 1'),
    'everything',
  );
});

test('the file is read as it was written, and anything else is no life', () => {
  for (const one of [
    { brokerEpoch: 12, bootId: 'x' },
    { brokerEpoch: 0, bootId: undefined },
  ]) {
    assert.deepEqual(parseLife(formatLife(one)), one);
  }
  const broken = ['', '{', 'null', '[]', '{"version":1,"brokerEpoch":1}', '{"version":0,"brokerEpoch":"1"}'];
  for (const text of broken) assert.equal(parseLife(Buffer.from(text)), undefined, text);
  assert.equal(parseLife(undefined), undefined);
});
