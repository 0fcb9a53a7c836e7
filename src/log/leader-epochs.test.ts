import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaderEpochs, parseLeaderEpochs } from './leader-epochs.ts';

function cache(...entries: [epoch: number, startOffset: number][]): LeaderEpochs {
  return new LeaderEpochs(entries.map(([epoch, startOffset]) => ({ epoch, startOffset })));
}

test('endOffsetFor answers as Kafka does', () => {
  const epochs = cache([2, 10], [4, 20], [7, 30]);
  const answers = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8].map((epoch) => {
    const { epoch: found, endOffset } = epochs.endOffsetFor(epoch, 40);
    return [epoch, found, endOffset];
  });
  assert.deepEqual(answers, [
    [-1, -1, -1],
    [0, 0, 10],
    [1, 1, 10],
    [2, 2, 20],
    [3, 2, 20],
    [4, 4, 30],
    [5, 4, 30],
    [6, 4, 30],
    [7, 7, 40],
    [8, -1, -1],
  ]);
  assert.deepEqual(cache().endOffsetFor(0, 40), { epoch: -1, endOffset: -1 });
});

test('an epoch without records gives way to the next one', () => {
  const epochs = cache([1, 0]);
  epochs.assign(2, 10);
  epochs.assign(3, 10);
  assert.deepEqual(epochs.entries, [
    { epoch: 1, startOffset: 0 },
    { epoch: 3, startOffset: 10 },
  ]);
});

test('an entry that contradicts later ones replaces them', () => {
  const epochs = cache([1, 0], [2, 10], [3, 20]);
  epochs.assign(2, 15);
  assert.deepEqual(
    epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset]),
    [
      [1, 0],
      [2, 15],
    ],
  );
});

test('the epoch of an offset is that of the last start not above it', () => {
  const epochs = cache([2, 10], [4, 20]);
  assert.deepEqual(
    [9, 10, 19, 20, 99].map((offset) => epochs.epochFor(offset)),
    [undefined, 2, 2, 4, 4],
  );
});

test('what a new start took away stays in the file until that start is durable', () => {
  const epochs = cache([1, 0], [2, 10], [3, 20]);
  epochs.truncateFromStart(12);
  epochs.truncateFromStart(25);
  assert.deepEqual(epochs.entries, [{ epoch: 3, startOffset: 25 }]);
  assert.equal(epochs.content().toString(), '0\n3\n1 0\n2 10\n3 20\n');
  epochs.forget();
  assert.equal(epochs.content().toString(), '0\n1\n3 25\n');
});

test('the file holds the entries, and one that is cut anywhere is refused', () => {
  const content = cache([1, 0], [5, 1234567]).content();
  assert.equal(content.toString(), '0\n2\n1 0\n5 1234567\n');
  assert.deepEqual(parseLeaderEpochs('f', content), [
    { epoch: 1, startOffset: 0 },
    { epoch: 5, startOffset: 1234567 },
  ]);
  for (let size = 0; size < content.length; size++) {
    assert.throws(() => parseLeaderEpochs('f', content.subarray(0, size)), /f: /, `cut at ${size}`);
  }
});

/** The model: the epoch of every offset, by one number each. */
test('under appends and cuts the cache says what a list of the epochs of all offsets says', () => {
  const action = fc.oneof(
    fc.record({
      kind: fc.constant('append' as const),
      bump: fc.integer({ min: 0, max: 3 }),
      count: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({ kind: fc.constant('cut' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const epochs = new LeaderEpochs();
      const model: number[] = [];
      for (const one of actions) {
        if (one.kind === 'append') {
          const epoch = (model.at(-1) ?? 0) + one.bump;
          epochs.assign(epoch, model.length);
          for (let left = one.count; left > 0; left--) model.push(epoch);
        } else {
          model.length = Math.floor(model.length * one.share);
          epochs.truncateFromEnd(model.length);
        }
        model.forEach((epoch, offset) => assert.equal(epochs.epochFor(offset), epoch));
        for (const epoch of new Set(model)) {
          const endOffset = model.findLastIndex((other) => other <= epoch) + 1;
          assert.deepEqual(epochs.endOffsetFor(epoch, model.length), { epoch, endOffset });
        }
        const read = new LeaderEpochs(parseLeaderEpochs('f', epochs.content()));
        assert.deepEqual(read.entries, epochs.entries);
      }
    }),
  );
});
