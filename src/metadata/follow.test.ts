import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { follow } from './follow.ts';
import { ClusterImage } from './image.ts';
import { configsKey } from './keys.ts';
import { MemoryStoreServer } from './memory-store.ts';
import { ConfigsRecord, encodeRecord } from './records.ts';

const put = (group: string) => ({
  type: 'put' as const,
  key: configsKey('GROUP', group),
  value: encodeRecord(ConfigsRecord, { entries: [{ name: 'share.auto.offset.reset', value: 'earliest' }] }),
});

test('an image has what was there before, and everything that comes after', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const store = new MemoryStoreServer(ports).connect(ports);
  await store.txn([], [put('before')]);
  const image = new ClusterImage();
  const follower = await follow(store, image, ports);
  assert.deepEqual(image.configuredNames('GROUP'), ['before']);
  await store.txn([], [put('after')]);
  await image.waitFor(2);
  assert.deepEqual(image.configuredNames('GROUP'), ['before', 'after']);
  follower.stop();
  await store.txn([], [put('too late')]);
  await ports.time.advance(1_000);
  assert.deepEqual(image.configuredNames('GROUP'), ['before', 'after']);
});

test('after history was compacted away the image is read anew, and nothing is missing', async () => {
  const ports = simulatedPorts({ seed: 1 });
  const server = new MemoryStoreServer(ports);
  const writer = server.connect(ports);
  const image = new ClusterImage();
  server.faults.watchLagMs = { min: 10_000, max: 10_000 };
  await follow(server.connect(ports), image, ports);
  for (const group of ['a', 'b', 'c']) await writer.txn([], [put(group)]);
  await writer.txn([], [{ type: 'delete', key: configsKey('GROUP', 'b') }]);
  server.compact(4);
  server.faults.watchLagMs = undefined;
  await ports.time.advance(60_000);
  await writer.txn([], [put('d')]);
  await ports.time.advance(60_000);
  assert.deepEqual(image.configuredNames('GROUP').sort(), ['a', 'c', 'd']);
});
