import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProducerIdBlock } from './controller/producer-ids.ts';
import { ProducerIds } from './producer-ids.ts';

interface Pending {
  readonly resolve: (block: ProducerIdBlock) => void;
  readonly reject: (error: Error) => void;
}

function source() {
  const pending: Pending[] = [];
  const ids = new ProducerIds(() => new Promise((resolve, reject) => pending.push({ resolve, reject })));
  return { ids, pending };
}

test('whoever comes before the first block waits for it, in order', async () => {
  const { ids, pending } = source();
  const waiting = [ids.generate(), ids.generate()];
  assert.equal(pending.length, 1);
  pending[0].resolve({ first: 5_000, count: 1_000 });
  assert.deepEqual([...(await Promise.all(waiting)), ids.generate()], [5_000, 5_001, 5_002]);
});

test('the next block is there before the last id is gone, and no id comes twice', async () => {
  const { ids, pending } = source();
  const seen = new Set<number>([await first(ids, pending)]);
  let blocks = 1;
  while (seen.size < 2_500) {
    const id = ids.generate();
    assert.equal(typeof id, 'number');
    assert.ok(!seen.has(id as number));
    seen.add(id as number);
    if (pending.length > blocks) {
      pending[blocks].resolve({ first: blocks * 1_000, count: 1_000 });
      blocks++;
      await Promise.resolve();
    }
  }
  assert.equal(Math.max(...seen), 2_499);
});

test('while no block can be had the answer is one that clients repeat, and later it works', async () => {
  const { ids, pending } = source();
  const refused = assert.rejects(Promise.resolve(ids.generate()), { code: 14 });
  pending[0].reject(new Error('no store'));
  await refused;
  const again = ids.generate();
  pending[1].resolve({ first: 0, count: 1_000 });
  assert.equal(await again, 0);
});

async function first(ids: ProducerIds, pending: Pending[]): Promise<number> {
  const id = ids.generate();
  pending[0].resolve({ first: 0, count: 1_000 });
  return id;
}
