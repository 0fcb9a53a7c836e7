// The guide for those who come from KafkaJS: its programs print what stands below them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Headrace } from '../src/testing/headrace.ts';

const ROOT = join(import.meta.dirname, '..');
const FACADE = pathToFileURL(join(ROOT, 'src', 'kafkajs', 'kafkajs.ts')).href;
const RUN_MS_MAX = 60_000;
const run = promisify(execFile);

test('the programs of docs/from-kafkajs.md do what it says', async () => {
  const text = readFileSync(join(ROOT, 'docs', 'from-kafkajs.md'), 'utf8');
  const programs = [...text.matchAll(/```ts\n([^]*?)```\n\n```text\n([^]*?)```/g)];
  assert.equal(programs.length, text.match(/```ts\n/g)?.length, 'every program has its output below it');
  assert.ok(programs.length > 0);
  const folder = mkdtempSync(join(tmpdir(), 'headrace-guide-'));
  await using headrace = await Headrace.start();
  try {
    for (const [index, [, program, expected]] of programs.entries()) {
      const path = join(folder, `program-${index}.ts`);
      const bound = program!.replaceAll("'headrace/kafkajs'", `'${FACADE}'`);
      writeFileSync(path, bound.replaceAll('localhost:9092', headrace.bootstrap));
      const { stdout, stderr } = await run(process.execPath, [path], { timeout: RUN_MS_MAX });
      assert.equal(stdout, expected, stderr);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
