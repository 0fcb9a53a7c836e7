/** What is read from histories while they are written, and the times that follow from it. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Acknowledgements, quantile } from './acknowledgements.ts';

const folder = mkdtempSync(join(tmpdir(), 'acknowledgements-'));
after(() => rmSync(folder, { recursive: true }));
const [one, other] = [join(folder, 'one.jsonl'), join(folder, 'other.jsonl')];
for (const path of [one, other]) appendFileSync(path, '');

const line = (process: string, type: string, atUs: number, keys: readonly string[]): string =>
  `${JSON.stringify({ atUs, process, type, f: 'send', steps: keys.map((key) => ({ send: [key, atUs] })) })}\n`;

test('answers of several processes are put in order, half a line waits for its other half', () => {
  const seen = new Acknowledgements(() => [one, other]);
  appendFileSync(one, line('p', 'invoke', 100, ['a']) + line('p', 'ok', 200, ['a']));
  appendFileSync(one, line('p', 'invoke', 300, ['a', 'b']));
  const late = line('p', 'ok', 900, ['a', 'b']);
  appendFileSync(one, late.slice(0, 20));
  appendFileSync(other, line('q', 'invoke', 400, ['a']) + line('q', 'ok', 500, ['a']));
  seen.refresh();
  assert.equal(seen.records, 2);
  assert.equal(seen.firstAfter('b', { sinceUs: 0, isNew: false }), undefined);
  appendFileSync(one, late.slice(20) + line('p', 'invoke', 950, ['a']) + line('p', 'info', 960, ['a']));
  appendFileSync(other, line('q', 'invoke', 550, ['a']) + line('q', 'ok', 600, ['a']));
  seen.refresh();
  assert.deepEqual(seen.keys, ['a', 'b']);
  assert.equal(seen.records, 5);
  // What began before a fault says nothing of what came after it.
  assert.equal(seen.firstAfter('b', { sinceUs: 350, isNew: false }), 900);
  assert.equal(seen.firstAfter('b', { sinceUs: 350, isNew: true }), undefined);
  assert.equal(seen.firstAfter('a', { sinceUs: 350, isNew: true }), 500);
  assert.equal(seen.longestGapUs('a', { fromUs: 150, toUs: 700 }), 300);
  assert.equal(seen.longestGapUs('a', { fromUs: 600, toUs: 2_000 }), 1_100);
  assert.equal(seen.longestGapUs('c', { fromUs: 0, toUs: 70 }), 70);
});

test('quantiles', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)], [51, 100, 100]);
  assert.equal(quantile([], 0.5), 0);
});
