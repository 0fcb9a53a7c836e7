/**
 * Puts the same requests of group members and administrators to Kafka 4.4.0 and to Headrace and compares all fields of the
 * answers. Members have connections of their own, for some answers wait until others have come. Needs Java and Maven.
 */
import { test } from 'node:test';

import { membershipScenarios } from './groups/membership.ts';
import { offsetScenarios } from './groups/offsets.ts';
import { timeoutScenarios } from './groups/timeouts.ts';
import { orSkip } from './kafka-jars.ts';
import { TwoBrokers } from './two-brokers.ts';

const SETTINGS = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'auto.create.topics.enable': 'false',
};
const FIND_COORDINATOR = 10;
const DESCRIBE_GROUPS = 15;

test('groups are answered as Kafka answers them', async (t) => {
  const started = await orSkip(() => TwoBrokers.start(SETTINGS));
  if ('skip' in started) return t.skip(started.skip);
  const both = started.have;
  t.after(() => both.stop());
  const any = { keyType: 0, coordinatorKeys: ['any'] };
  await both.until(FIND_COORDINATOR, 4, any, ({ coordinators }) => coordinators[0].errorCode === 0);
  await both.until(DESCRIBE_GROUPS, 5, { groups: ['any'] }, ({ groups }) => groups[0].errorCode === 0);
  await membershipScenarios(t, both);
  await offsetScenarios(t, both);
  await timeoutScenarios(t, both);
  t.diagnostic(`${both.compared} answers compared`);
});
