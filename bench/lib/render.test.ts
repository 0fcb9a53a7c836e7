import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QuestionResult } from './question.ts';
import { answerText } from './render.ts';

const RESULT: QuestionResult = {
  settings: [],
  tables: [
    {
      title: 'Taken',
      rows: [
        { label: 'much', unit: 'MB/s', better: 'higher', headrace: [200, 210, 190], kafka: [100] },
        { label: 'alike', unit: 'MB/s', better: 'higher', headrace: [103], kafka: [100] },
        { label: 'one side', unit: 'MB/s', better: 'higher', headrace: [50], kafka: [] },
      ],
    },
    { title: 'Time', rows: [{ label: 'slow', unit: 'ms', better: 'lower', headrace: [30], kafka: [20] }] },
  ],
};

const says = (table: string, row?: string): string =>
  answerText({ says: 'needs', where: 'here', table, ...(row === undefined ? {} : { row }) }, RESULT);

test('an answer is a row of the result as a sentence, and says who is ahead', () => {
  const ahead = 'Headrace needs **200 MB/s**, Kafka 100 MB/s: **2.00x**, Headrace is ahead (here).';
  assert.equal(says('Taken', 'much'), ahead);
  assert.match(says('Taken', 'alike'), /1\.03x\*\*, about the same/);
  assert.match(says('Time', 'slow'), /1\.50x\*\*, Kafka is ahead/);
});

test('without a label an answer is the last row, and one side alone has no ratio', () => {
  assert.equal(says('Taken'), 'Headrace needs **50.0 MB/s** (here).');
});

test('an answer without its row is an error', () => {
  assert.throws(() => says('Taken', 'little'), /no row little/);
  assert.throws(() => says('Given'), /"Given"/);
});
