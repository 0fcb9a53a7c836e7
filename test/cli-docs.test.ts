/** The page about the command line shows what the commands print. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CLI_PAGE, cliPage } from '../scripts/cli-docs.ts';

test('docs/cli.md is what the commands print (else: node scripts/cli-docs.ts)', async () => {
  const found = readFileSync(CLI_PAGE, 'utf8').split('\n');
  const right = (await cliPage()).split('\n');
  const index = right.findIndex((line, at) => line !== found[at]);
  assert.equal(found[index], right[index], `line ${index + 1}`);
  assert.equal(found.length, right.length);
});
