// For tests: a broker on simulated ports, and what applications of KafkaJS make to speak to it.
import assert from 'node:assert/strict';
import { clientPorts } from '../client/test-cluster.ts';
import { scene, type Scene } from '../client/test-scene.ts';
import { Kafka } from './kafka.ts';
import type { KafkaConfig, LogEntry } from './types.ts';

export interface KafkaScene extends Scene {
  readonly kafka: Kafka;
  /** Another one, as of another process. */
  newKafka(config?: Partial<KafkaConfig>): Kafka;
  /** All that was logged. */
  readonly log: LogEntry[];
  until(what: string, condition: () => boolean): Promise<void>;
  sleep(ms: number): Promise<void>;
}

export async function kafkaScene(settings: Record<string, string> = {}): Promise<KafkaScene> {
  const one = await scene({ 'group.min.session.timeout.ms': '1000', ...settings });
  const { time, wires } = one.world.ports;
  const log: LogEntry[] = [];
  let count = 0;
  const newKafka = (config: Partial<KafkaConfig> = {}): Kafka =>
    new Kafka(
      { brokers: ['broker:19092'], clientId: 'app', logCreator: () => (entry) => log.push(entry), ...config },
      clientPorts({ time, wires }, `kafkajs${count++}`),
    );
  return {
    ...one,
    kafka: newKafka(),
    newKafka,
    log,
    until: async (what, condition) => assert.ok(await time.runUntil(condition, 120_000), what),
    sleep: (ms) => new Promise((resolve) => void time.schedule(ms, resolve)),
  };
}
