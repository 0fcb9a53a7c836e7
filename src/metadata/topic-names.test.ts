import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canCollide, collisionName, isInternalTopic, topicNameProblem } from './topic-names.ts';

test('names that would lead out of a folder, or that nobody could type, are refused', () => {
  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    'a b',
    'a\0',
    'ä',
    '日本',
    'a\n',
    'a:b',
    'x'.repeat(250),
  ];
  for (const name of bad) assert.match(topicNameProblem(name) ?? '', /^Topic name is invalid: /, name);
});

test('letters, digits, dots, underscores and dashes up to 249 are a name', () => {
  for (const name of ['a', 'A-1', '...', '_', '-', '__consumer_offsets', 'x'.repeat(249)]) {
    assert.equal(topicNameProblem(name), undefined, name);
  }
});

test('names collide when metrics would show them as one', () => {
  assert.equal(collisionName('a.b_c.d'), collisionName('a_b.c_d'));
  assert.notEqual(collisionName('a-b'), collisionName('a_b'));
  assert.deepEqual([canCollide('a.b'), canCollide('a_b'), canCollide('a-b')], [true, true, false]);
});

test('the broker’s own topics are internal, also those of transactions and share groups', () => {
  const names = [
    '__consumer_offsets',
    '__transaction_state',
    '__share_group_state',
    '__cluster_metadata',
    'x',
  ];
  assert.deepEqual(names.map(isInternalTopic), [true, true, true, false, false]);
});
