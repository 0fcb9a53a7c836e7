import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetadataStore } from '../base/ports.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { SimulatedTime } from '../runtime/simulated-clock.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { registerBroker, renewRegistration } from './controller/registration.ts';
import { follow } from './follow.ts';
import { ClusterImage } from './image.ts';
import { MemoryStoreServer } from './memory-store.ts';
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
  ['sessionNotFound', Errors.REQUEST_TIMED_OUT],
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

test('a renewal whose fate is unknown is done again: what is read is the same with the old session', async () => {
  const time = new SimulatedTime({ seed: 1 });
  const ports = simulatedPorts({ seed: 1, time });
  const server = new MemoryStoreServer({ timers: ports.timers, random: ports.random });
  const store = server.connect(ports);
  const image = new ClusterImage();
  const life = { nodeId: 1, incarnationId: ZERO_UUID };
  const registration = { ...life, rack: null, endpoints: [], directories: [] };
  const [old, next] = [await store.session(9_000), await store.session(9_000)];
  await time.settle(follow(store, image, ports));
  await time.settle(transact(store, image, () => registerBroker(image, registration, old.id)));
  const { epoch } = image.brokers.get(1)!;
  let lost = 0;
  const forgetful: MetadataStore = Object.assign(Object.create(store) as MetadataStore, {
    range: (prefix: string) => store.range(prefix),
    // The first is never done.
    txn(...call: Parameters<MetadataStore['txn']>) {
      return ++lost === 1
        ? Promise.reject(new MetadataStoreError('indeterminate', 'nobody knows'))
        : store.txn(...call);
    },
  });
  const renew = () => renewRegistration(image, { ...life, epoch }, next.id);
  assert.equal(await time.settle(transact(forgetful, image, renew)), true);
  await old.close();
  await time.advance(10);
  assert.equal(image.brokers.get(1)?.fenced, false, 'it stands with the new session');
});
