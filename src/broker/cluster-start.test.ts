import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStoreServer } from '../metadata/memory-store.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { startBroker } from './broker.ts';

function makeWorld() {
  const ports = simulatedPorts({ seed: 1, host: 'host1' });
  const server = new MemoryStoreServer(ports);
  const store = server.connect(ports);
  const configs = new Map([
    ['node.id', '1'],
    ['listeners', 'PLAINTEXT://host1:9092'],
    ['allow.insecure.listeners', 'true'],
    ['broker.session.timeout.ms', '3000'],
    ['initial.broker.registration.timeout.ms', '30000'],
  ]);
  return { ports, server, store, start: () => startBroker({ ports, store, configs }) };
}

test('a broker that starts before its metadata store waits for it', async () => {
  const { ports, store, start } = makeWorld();
  store.setReachable(false);
  const starting = start();
  await ports.time.advance(20_000);
  store.setReachable(true);
  const broker = await ports.time.settle(starting, 5_000);
  await ports.time.settle(broker.stop());
});

test('it also waits when the store goes in the midst of its start, wherever that is', async () => {
  for (let goneAtMs = 0; goneAtMs <= 60; goneAtMs += 3) {
    const { ports, server, store, start } = makeWorld();
    server.faults.latencyMs = { min: 2, max: 6 };
    const starting = start();
    await ports.time.advance(goneAtMs);
    store.setReachable(false);
    await ports.time.advance(20_000);
    store.setReachable(true);
    const broker = await ports.time.settle(starting, 20_000);
    await ports.time.settle(broker.stop());
  }
});

test('it ends when the store stays away, with the setting and the reason', async () => {
  const { ports, store, start } = makeWorld();
  store.setReachable(false);
  await assert.rejects(ports.time.settle(start(), 40_000), {
    name: 'ConfigurationError',
    message: /^metadata\.store\.connect: /,
  });
  assert.ok(ports.time.nowMs() >= 30_000);
});
