import assert from 'node:assert/strict';
import { test } from 'node:test';
import { javaHashCode, partitionForKey } from './partitioning.ts';

test("hash codes are those of Java's String", () => {
  const known: [string, number][] = [
    ['', 0],
    ['abc', 96354],
    ['console-consumer-12345', 158455506],
    ['Grüße', 69215351],
    ['\u{1F600}', 1772899],
    ['polygenelubricants', -2147483648],
  ];
  assert.deepEqual(
    known.map(([text]) => [text, javaHashCode(text)]),
    known,
  );
});

test('a negative hash code gives the partition of its absolute value, and the least integer gives partition 0', () => {
  assert.equal(javaHashCode('orders'), -1008770331);
  assert.equal(partitionForKey('orders', 50), 31);
  assert.equal(partitionForKey('polygenelubricants', 50), 0);
  assert.equal(partitionForKey('', 50), 0);
  assert.equal(partitionForKey('abc', 1), 0);
});
