// For tests: a broker on simulated ports, and a client of it.
import { testWorld, type TestClient, type TestWorld } from '../broker/test-client.ts';
import { Client } from './client.ts';
import { clientPorts } from './test-cluster.ts';

export interface Scene {
  readonly world: TestWorld;
  readonly admin: TestClient;
  readonly client: Client;
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Sends these values to a partition. */
  send(topic: string, partition: number, values: readonly string[]): Promise<void>;
  end(): Promise<void>;
}

export async function scene(configs: Record<string, string> = {}): Promise<Scene> {
  const { world, client: admin } = await testWorld({
    'advertised.listeners': 'PLAINTEXT://broker:19092',
    'group.initial.rebalance.delay.ms': '0',
    ...configs,
  });
  const { time, wires } = world.ports;
  const client = new Client({ bootstrap: 'broker:19092', ports: clientPorts({ time, wires }, 'client') });
  const producer = client.producer({ batchBytes: 2_000 });
  const settle = <T>(promise: Promise<T>): Promise<T> => time.settle(promise);
  return {
    world,
    admin,
    client,
    settle,
    async send(topic, partition, values) {
      await settle(producer.sendAll(values.map((value) => ({ topic, partition, value }))));
    },
    async end() {
      await settle(client.close());
      await world.stop();
    },
  };
}
