/** For tests: an administrator of a real broker, on simulated ports. */
import assert from 'node:assert/strict';
import { testWorld } from '../../broker/test-client.ts';
import { AdminError, Client, type Admin } from '../client.ts';
import { clientPorts } from '../test-cluster.ts';

export interface Scene {
  readonly client: Client;
  readonly admin: Admin;
  /** Another client, which has not asked anything yet. */
  fresh(): Client;
  settle<T>(promise: Promise<T>): Promise<T>;
  end(): Promise<void>;
}

export async function scene(settings: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const { world } = await testWorld({
    'advertised.listeners': 'PLAINTEXT://broker:19092',
    'group.initial.rebalance.delay.ms': '0',
    ...settings,
  });
  const { time, wires } = world.ports;
  const newClient = (host: string): Client =>
    new Client({ bootstrap: 'broker:19092', ports: clientPorts({ time, wires }, host) });
  const client = newClient('admin');
  const settle = <T>(promise: Promise<T>): Promise<T> => time.settle(promise);
  return {
    client,
    admin: client.admin(),
    fresh: () => newClient('fresh'),
    settle,
    async end() {
      await settle(client.close());
      await world.stop();
    },
  };
}

/** What a call that has to fail in part rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<AdminError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AdminError, String(error));
    return error;
  }
  return assert.fail('nothing has failed');
}

/** Each failure as what failed and why. */
export function namesOf({ failures }: AdminError): [item: string, errorName: string][] {
  return failures.map(({ item, error }) => [item, error.errorName]);
}
