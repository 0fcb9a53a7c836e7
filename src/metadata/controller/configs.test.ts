import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, effects } from '../../../test/cluster-images.ts';
import { Errors } from '../../protocol/errors.ts';
import { NO_BROKER_CONFIGS } from '../configs/resolve.ts';
import { alterConfigs, RESOURCE_NAME_LENGTH_MAX, type AlterConfigs } from './configs.ts';

const set = (type: AlterConfigs['type'], name: string, config: string, value: string): AlterConfigs => ({
  type,
  name,
  changes: [{ name: config, op: 'SET', value }],
});

test('each resource is changed as a whole, and one that is wrong leaves the others', () => {
  const image = clusterImage({
    topics: { t: [[1]] },
    configs: [['TOPIC', 't', { 'retention.ms': '5', 'segment.bytes': '2000000' }]],
  });
  const decision = alterConfigs(
    image,
    [
      {
        type: 'TOPIC',
        name: 't',
        changes: [
          { name: 'retention.ms', op: 'DELETE', value: null },
          { name: 'cleanup.policy', op: 'APPEND', value: 'compact' },
        ],
      },
      set('GROUP', 'g', 'consumer.session.timeout.ms', 'soon'),
      set('CLIENT_METRICS', 'm', 'interval.ms', '1000'),
    ],
    NO_BROKER_CONFIGS,
  );
  assert.deepEqual(
    [effects(decision), decision.result.map((one) => one.errorCode)],
    [
      {
        'configs/TOPIC/t': {
          entries: [
            { name: 'segment.bytes', value: '2000000' },
            { name: 'cleanup.policy', value: 'delete,compact' },
          ],
        },
        'configs/CLIENT_METRICS/m': { entries: [{ name: 'interval.ms', value: '1000' }] },
      },
      [Errors.NONE, Errors.INVALID_CONFIG, Errors.NONE],
    ],
  );
});

test('a replacement takes away what it does not name, and an empty one everything', () => {
  const image = clusterImage({
    topics: { t: [[1]] },
    configs: [['TOPIC', 't', { 'retention.ms': '5', 'segment.ms': '6' }]],
  });
  const replace = (...replacement: { name: string; value: string }[]) =>
    alterConfigs(image, [{ type: 'TOPIC', name: 't', replacement }], NO_BROKER_CONFIGS);
  after(image, replace({ name: 'segment.ms', value: '7' }));
  assert.deepEqual(image.configs('TOPIC', 't'), new Map([['segment.ms', '7']]));
  after(image, replace());
  assert.deepEqual([image.configs('TOPIC', 't').size, image.configuredNames('TOPIC')], [0, []]);
});

test('resources that cannot be are refused in Kafka’s words', () => {
  const image = clusterImage({ alive: [1], topics: { t: [[1]] } });
  const outcome = (resource: AlterConfigs) => {
    const { operations, result } = alterConfigs(image, [resource], NO_BROKER_CONFIGS);
    assert.equal(operations.length, 0);
    return [result[0].errorCode, result[0].errorMessage];
  };
  const retention = (name: string) => set('TOPIC', name, 'retention.ms', '1');
  const threads = (name: string) => set('BROKER', name, 'num.io.threads', '4');
  const longName = 'g'.repeat(RESOURCE_NAME_LENGTH_MAX + 1);
  assert.deepEqual(
    [
      outcome(retention('')),
      outcome(retention('no such')),
      outcome(retention('gone')),
      outcome(threads('one')),
      outcome(threads('-1')),
      outcome(threads('7')),
      outcome(set('GROUP', '', 'share.auto.offset.reset', 'earliest')),
      outcome(set('GROUP', longName, 'share.auto.offset.reset', 'earliest')),
      outcome(set('CLIENT_METRICS', '', 'interval.ms', '1000')),
      outcome(set('BROKER', '1', 'log.dirs', '/tmp')),
    ],
    [
      [42, 'Default topic resources are not allowed.'],
      [
        17,
        "Topic name is invalid: 'no such' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
      ],
      [3, "The topic 'gone' does not exist."],
      [42, 'Unable to parse broker name as a base 10 number.'],
      [42, 'Invalid negative broker ID.'],
      [102, 'No node with id 7 found.'],
      [42, 'Default group resources are not allowed.'],
      [42, 'The resource name is longer than 1024 characters.'],
      [42, "Subscription name can't be empty"],
      [42, 'Cannot update these configs dynamically: [log.dirs]'],
    ],
  );
});

test('item 47: a configuration that a broker could not start with is refused while it runs', () => {
  const image = clusterImage({ alive: [1] });
  const change = (name: string, config: string, value: string) =>
    alterConfigs(image, [set('BROKER', name, config, value)], NO_BROKER_CONFIGS).result[0];
  const refused = change('', 'log.cleaner.min.compaction.lag.ms', String(2 ** 53 - 1));
  const refusedHere = change('1', 'log.retention.ms', '0');
  assert.equal(refusedHere.errorCode, Errors.INVALID_REQUEST);
  assert.match(refusedHere.errorMessage!, /log\.retention\.ms: 0/);
  assert.equal(refused.errorCode, Errors.NONE);
});
