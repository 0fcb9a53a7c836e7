/** The page about configuration says what the catalogues say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CONFIGURATION, configuration } from '../scripts/config-docs.ts';

test('docs/configuration.md is up to date (else: node scripts/config-docs.ts)', () => {
  assert.equal(readFileSync(CONFIGURATION, 'utf8'), configuration());
});
