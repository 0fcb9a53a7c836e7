/** The checks themselves: each anomaly is found when it is there. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { History, type PartitionHistory, type SimTopic } from './history.ts';

const FSYNC: SimTopic = {
  name: 'safe',
  id: 'A',
  durability: 'fsync',
  trimming: 'never',
  partitionCount: 1,
  isGoing: false,
};
const RELAXED: SimTopic = { ...FSYNC, name: 'relaxed', id: 'B', durability: 'relaxed' };
const IDEMPOTENT = { name: 'idempotent', isIdempotent: true };
const PLAIN = { name: 'plain', isIdempotent: false };

let history: History;
let safe: PartitionHistory;
let relaxed: PartitionHistory;

beforeEach(() => {
  history = new History(() => 0);
  safe = history.partition(FSYNC, 0);
  relaxed = history.partition(RELAXED, 0);
  for (const [number, value] of ['a', 'b', 'c'].entries())
    history.sent(value, IDEMPOTENT, { partition: safe, number });
  for (const [number, value] of ['p', 'q'].entries()) history.sent(value, PLAIN, { partition: safe, number });
  for (const [number, value] of ['x', 'y'].entries())
    history.sent(value, IDEMPOTENT, { partition: relaxed, number });
});

const kinds = (): string[] => history.anomalies.map(({ kind }) => kind);

test('two values at one offset are inconsistent, whoever was told of them', () => {
  history.acked(safe, 0, 'a', -1);
  history.seen(safe, 0, 'b');
  assert.deepEqual(kinds(), ['inconsistent-offsets']);
});

test('a value at two offsets is a duplicate of an idempotent producer, and counted of a plain one', () => {
  history.acked(safe, 0, 'a', -1);
  history.seen(safe, 1, 'a');
  history.acked(safe, 2, 'p', 1);
  history.seen(safe, 3, 'p');
  assert.deepEqual(kinds(), ['duplicate']);
  assert.equal(history.counts.plainDuplicates, 1);
});

test('a value that nobody sent, or sent elsewhere, or that was refused is not to be seen', () => {
  history.seen(safe, 0, 'nobody sent this');
  history.seen(safe, 1, 'x');
  history.refused('q');
  history.seen(safe, 2, 'q');
  assert.deepEqual(kinds(), ['phantom', 'wrong partition', 'G1a']);
});

test('what acks=all acknowledged or somebody saw must survive a power cut, what acks=1 did need not', () => {
  history.acked(safe, 0, 'a', -1);
  history.seen(safe, 1, 'p');
  history.acked(safe, 2, 'q', 1);
  history.powerCut();
  history.scanned(safe, 0, ['a', 'p']);
  assert.deepEqual(kinds(), []);
  history.scanned(safe, 0, ['a']);
  history.scanned(safe, 0, ['b', 'p']);
  assert.deepEqual(kinds(), ['lost-write', 'lost-write']);
});

test('everything acknowledged must survive the end of a process', () => {
  history.acked(safe, 0, 'p', 1);
  history.acked(relaxed, 0, 'x', 1);
  history.scanned(safe, 0, []);
  history.scanned(relaxed, 0, []);
  assert.deepEqual(kinds(), ['lost-write', 'lost-write']);
});

test('relaxed topics may lose by a power cut, but not after a clean stop', () => {
  history.acked(relaxed, 0, 'x', -1);
  history.stopped();
  history.acked(relaxed, 1, 'y', -1);
  history.powerCut();
  history.scanned(relaxed, 0, ['x']);
  assert.deepEqual(kinds(), []);
  history.scanned(relaxed, 0, []);
  assert.deepEqual(kinds(), ['lost-write']);
});

test('an offset that a power cut freed may hold another value, and its value be elsewhere', () => {
  history.acked(relaxed, 0, 'x', -1);
  history.powerCut();
  history.seen(relaxed, 0, 'y', 1);
  history.seen(relaxed, 1, 'x', 1);
  assert.deepEqual(kinds(), []);
});

test('an epoch and an offset name one record for ever, also in relaxed topics', () => {
  history.seen(relaxed, 0, 'x', 3);
  history.powerCut();
  history.seen(relaxed, 0, 'y', 3);
  assert.deepEqual(kinds(), ['one epoch, two records']);
});

test('a partition may not begin later than anybody asked for', () => {
  safe.startMax = 1;
  history.scanned(safe, 1, ['a']);
  assert.deepEqual(kinds(), []);
  history.scanned(safe, 2, ['b']);
  assert.deepEqual(kinds(), ['early deletion']);
});

test("a sender's values keep their order", () => {
  history.scanned(safe, 0, ['a', 'p', 'c', 'b']);
  assert.deepEqual(kinds(), ['nonmonotonic-send']);
});
