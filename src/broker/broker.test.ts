import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetadataStore, Session } from '../base/ports.ts';
import { openFileStore } from '../metadata/file-store.ts';
import { silentLogger } from '../runtime/logger.ts';
import { memoryDisk } from '../runtime/memory-disk.ts';
import { realPorts } from '../runtime/ports.ts';
import { startBroker } from './broker.ts';

const CONFIGS = new Map([
  ['listeners', 'PLAINTEXT://127.0.0.1:0'],
  ['log.dirs', '/data'],
]);

test('a broker whose metadata store has failed still closes its logs cleanly when it stops', async () => {
  const real = realPorts({ logger: silentLogger() });
  const ports = { ...real, disk: memoryDisk({ clock: real.clock }) };
  const lost = new Error('the store is gone');
  const underneath = openFileStore({
    disk: ports.disk,
    random: ports.random,
    path: '/data/headrace.metadata',
  });
  const store: MetadataStore = {
    range: (prefix) => underneath.range(prefix),
    txn: (compares, operations) => underneath.txn(compares, operations),
    watch: (prefix, fromRevision, watcher) => underneath.watch(prefix, fromRevision, watcher),
    session: async (ttlMs): Promise<Session> => {
      const session = await underneath.session(ttlMs);
      return { id: session.id, onLost: () => {}, isAlive: () => true, close: () => Promise.reject(lost) };
    },
    close: () => underneath.close(),
  };
  const broker = await startBroker({ ports, configs: CONFIGS, store });
  await assert.rejects(broker.stop(), lost);
  assert.notEqual(ports.disk.stat('/data/.kafka_cleanshutdown'), undefined);
  // Nothing is held any more: another broker takes the folder.
  const next = await startBroker({ ports, configs: CONFIGS });
  await next.stop();
});
