/** What people write on a command line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseDuration,
  parseNumbers,
  parsePairs,
  parseTime,
  parseTopicPartition,
  unescape,
} from './arguments.ts';
import { UsageError } from './command.ts';

test('numbers, pairs, durations, partitions and escapes are read', () => {
  assert.deepEqual(parseNumbers('4,0,2-4'), [0, 2, 3, 4]);
  assert.deepEqual(parsePairs(['a=b=c', 'd=']), { a: 'b=c', d: '' });
  assert.deepEqual(
    ['90s', '15m', '1.5h', '7d', '20ms'].map(parseDuration),
    [90_000, 900_000, 5_400_000, 604_800_000, 20],
  );
  assert.deepEqual(parseTopicPartition('a:b:3'), { topic: 'a:b', partition: 3 });
  assert.equal(unescape('a\\tb\\n\\x41\\\\n'), 'a\tb\nA\\n');
});

test('times are dates, numbers, or how long ago', () => {
  const nowMs = Date.parse('2026-06-01T12:00:00Z');
  assert.equal(parseTime('2026-01-31T12:00:00Z', nowMs), Date.parse('2026-01-31T12:00:00Z'));
  assert.equal(parseTime('1760000000000', nowMs), 1_760_000_000_000);
  assert.equal(parseTime('2h', nowMs), nowMs - 7_200_000);
  assert.equal(parseTime('now', nowMs), nowMs);
});

test('what makes no sense is wrong usage', () => {
  const wrong: (() => unknown)[] = [
    () => parseNumbers('a'),
    () => parseNumbers('3-1'),
    () => parseNumbers('0-999999999'),
    () => parsePairs(['x']),
    () => parsePairs(['=x']),
    () => parseDuration('5 years'),
    () => parseTime('yesterday', 0),
    () => parseTime('2026-99-99', 0),
    () => parseTopicPartition('orders'),
  ];
  for (const one of wrong) assert.throws(one, UsageError);
});
