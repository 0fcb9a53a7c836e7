import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetadataStore } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { ClusterImage } from './image.ts';
import { MetadataStoreError, type StoreErrorCode } from './store-error.ts';
import { transact } from './transact.ts';

/** Rejects every transaction with `code`, and counts them. */
function failing(code: StoreErrorCode): { readonly store: MetadataStore; calls(): number } {
  let calls = 0;
  const never = (): never => assert.fail('nobody asks for it');
  const store: MetadataStore = {
    txn: () => Promise.reject(new MetadataStoreError(code, `why: call ${++calls}`)),
    range: () => Promise.resolve({ revision: 0, entries: [] }),
    watch: never,
    session: never,
    close: () => Promise.resolve(),
  };
  return { store, calls: () => calls };
}

const decide = () => ({
  compares: [],
  operations: [{ type: 'put' as const, key: 'k', value: Buffer.from('v') }],
  result: 1,
});

for (const [code, errorCode] of [
  ['refused', Errors.KAFKA_STORAGE_ERROR],
  ['unavailable', Errors.REQUEST_TIMED_OUT],
] as const) {
  test(`a transaction that was surely not done (${code}) is not tried again, and the caller learns why`, async () => {
    const { store, calls } = failing(code);
    await assert.rejects(transact(store, new ClusterImage(), decide), (error: unknown) => {
      assert.ok(error instanceof KafkaError);
      assert.equal(error.code, errorCode);
      assert.equal(error.message, 'why: call 1');
      return true;
    });
    assert.equal(calls(), 1);
  });
}

test('a transaction whose fate is unknown, and that left nothing, is decided anew', async () => {
  const { store, calls } = failing('indeterminate');
  await assert.rejects(transact(store, new ClusterImage(), decide), { code: Errors.REQUEST_TIMED_OUT });
  assert.ok(calls() > 1);
});
