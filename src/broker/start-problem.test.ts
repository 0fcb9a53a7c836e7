import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MetadataStoreError } from '../metadata/store-error.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { Headrace } from '../testing/headrace.ts';
import { ConfigurationError } from './broker.ts';
import { startProblem } from './start-problem.ts';

/** The start fails with one problem that matches. */
function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.match(error.problems.join('\n'), pattern);
    return true;
  };
}

test('a port that is in use is told with the settings that choose another', async () => {
  await using first = await Headrace.start();
  await assert.rejects(
    Headrace.start({ port: first.port }),
    refused(new RegExp(`^listeners: 127.0.0.1:${first.port} is in use; .*--port`)),
  );
});

test('a data folder of another broker, or one that cannot be made, is told with what to do', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'taken-'));
  try {
    const first = await Headrace.start({ data: { directory } });
    await assert.rejects(
      Headrace.start({ data: { directory } }),
      refused(/^log\.dirs: .* is in use by another process; .*--data/),
    );
    await first.stop();
    writeFileSync(join(directory, 'file'), '');
    await assert.rejects(
      Headrace.start({ data: { directory: join(directory, 'file', 'below') } }),
      refused(/^log\.dirs: .*file.* cannot be used \(ENOTDIR\)/),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a node id that is taken, and a store that cannot be used, are told with what to do', () => {
  const taken = new KafkaError(Errors.DUPLICATE_BROKER_REGISTRATION);
  assert.match(startProblem(taken)!, /^node\.id: .*--node-id/);
  for (const code of ['unavailable', 'indeterminate', 'refused'] as const) {
    assert.equal(startProblem(new MetadataStoreError(code, 'why')), 'metadata.store.connect: why');
  }
});

test('what no setting can mend stays the error it was', () => {
  assert.equal(startProblem(new TypeError('x is not a function')), undefined);
  assert.equal(startProblem(undefined), undefined);
  assert.equal(startProblem('thrown text'), undefined);
});
