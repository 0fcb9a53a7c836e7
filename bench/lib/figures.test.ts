import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figure, isGoalMet, ratio, spread } from './figures.ts';
import type { Row } from './question.ts';

const row = (change: Partial<Row>): Row => ({
  label: 'a row',
  unit: 'ms',
  better: 'lower',
  headrace: [1, 2, 3],
  kafka: [4, 4, 4],
  ...change,
});

test('the median of an even number of samples is between the two in the middle', () => {
  assert.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  assert.deepEqual(spread([3, 1, 2]), { min: 1, median: 2, max: 3 });
  assert.equal(spread([]), undefined);
});

test('a ratio is of the medians, and there is none without both sides', () => {
  assert.equal(ratio(row({})), 0.5);
  assert.equal(ratio(row({ kafka: [] })), undefined);
  assert.equal(ratio(row({ kafka: [0] })), undefined);
});

test('a goal is a least where higher is better, a most where lower is', () => {
  assert.equal(isGoalMet(row({ goal: 0.5 })), true);
  assert.equal(isGoalMet(row({ goal: 0.4 })), false);
  assert.equal(isGoalMet(row({ better: 'higher', goal: 0.5 })), true);
  assert.equal(isGoalMet(row({ better: 'higher', goal: 0.6 })), false);
  assert.equal(isGoalMet(row({})), undefined);
});

test('figures keep three digits that mean something', () => {
  assert.deepEqual([1234.5, 123.4, 12.34, 1.234, 0.1234, 0.01234, 0].map(figure), [
    '1,235',
    '123',
    '12.3',
    '1.23',
    '0.12',
    '0.0123',
    '0.00',
  ]);
});
