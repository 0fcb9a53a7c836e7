/** The page about configuration says what the catalogues say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CONFIGURATION, configuration } from '../scripts/config-docs.ts';

test('docs/configuration.md is up to date (else: node scripts/config-docs.ts)', () => {
  const found = readFileSync(CONFIGURATION, 'utf8').split('\n');
  const right = configuration().split('\n');
  const index = right.findIndex((line, at) => line !== found[at]);
  assert.equal(found[index], right[index]);
  assert.equal(found.length, right.length);
});
