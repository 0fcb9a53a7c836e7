/**
 * Puts the same requests of producers and consumers to Kafka 4.4.0 and to Headrace, byte for byte, and compares all fields
 * of the answers, the errors' words among them. Needs Java and Maven.
 */
import { test } from 'node:test';

import { fetchScenarios } from './data-path/fetch.ts';
import { framingScenarios } from './data-path/framing.ts';
import { offsetScenarios } from './data-path/offsets.ts';
import { produceScenarios } from './data-path/produce.ts';
import { orSkip } from './kafka-jars.ts';
import { TwoBrokers } from './two-brokers.ts';

const SETTINGS = {
  'group.initial.rebalance.delay.ms': '0',
  'log.retention.ms': '-1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'auto.create.topics.enable': 'false',
};

test('producers and consumers are answered as Kafka answers them', async (t) => {
  const started = await orSkip(() => TwoBrokers.start(SETTINGS));
  if ('skip' in started) return t.skip(started.skip);
  const both = started.have;
  t.after(() => both.stop());
  await produceScenarios(t, both);
  await fetchScenarios(t, both);
  await offsetScenarios(t, both);
  await framingScenarios(t, both);
  t.diagnostic(`${both.compared} answers compared`);
});
