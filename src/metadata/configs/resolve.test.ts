import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIG_SOURCE,
  describeBrokerConfigs,
  describeClientMetricsConfigs,
  describeDefaultBrokerConfigs,
  describeGroupConfigs,
  describeTopicConfigs,
  NO_BROKER_CONFIGS,
  resolveBrokerConfig,
  resolveGroupConfig,
  resolveTopicConfig,
} from './resolve.ts';
import type { BrokerConfigSources } from './resolve.ts';

const NONE: ReadonlyMap<string, string> = new Map();
type Pairs = Readonly<Record<string, string>>;

function broker(given: { dynamic?: Pairs; dynamicDefault?: Pairs; fixed?: Pairs }): BrokerConfigSources {
  return {
    dynamicBroker: new Map(Object.entries(given.dynamic ?? {})),
    dynamicDefault: new Map(Object.entries(given.dynamicDefault ?? {})),
    static: new Map(Object.entries(given.fixed ?? {})),
  };
}

test('a topic without overrides on a broker without configuration gets the default, from hours', () => {
  assert.deepEqual(resolveTopicConfig('retention.ms', NONE, NO_BROKER_CONFIGS), {
    value: '604800000',
    source: CONFIG_SOURCE.DEFAULT,
    synonyms: [{ name: 'log.retention.hours', value: '168', source: CONFIG_SOURCE.DEFAULT }],
  });
});

/** As DescribeConfigs shows retention.ms. */
function retention(own: ReadonlyMap<string, string>, sources: BrokerConfigSources) {
  const found = describeTopicConfigs(own, sources).find((one) => one.name === 'retention.ms')!;
  return { value: found.value, source: found.source, synonyms: found.synonyms };
}

test('a topic value that the broker has only in another unit is shown as a default without synonyms', () => {
  const value = (fixed: Pairs, own = NONE) => retention(own, broker({ fixed }));
  const { DEFAULT } = CONFIG_SOURCE;
  assert.deepEqual(value({}), { value: '604800000', source: DEFAULT, synonyms: [] });
  assert.deepEqual(value({ 'log.retention.hours': '48' }), {
    value: '172800000',
    source: DEFAULT,
    synonyms: [],
  });
  const own = new Map([['retention.ms', '7']]);
  assert.deepEqual(value({ 'log.retention.hours': '48' }, own), {
    value: '7',
    source: CONFIG_SOURCE.TOPIC,
    synonyms: [{ name: 'retention.ms', value: '7', source: CONFIG_SOURCE.TOPIC }],
  });
});

test('once the broker has the value in the unit of the topic, the others are its synonyms', () => {
  const sources = broker({
    dynamicDefault: { 'log.retention.ms': '9' },
    fixed: { 'log.retention.minutes': '3' },
  });
  assert.deepEqual(retention(NONE, sources), {
    value: '9',
    source: CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER,
    synonyms: [
      { name: 'log.retention.ms', value: '9', source: CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER },
      { name: 'log.retention.minutes', value: '3', source: CONFIG_SOURCE.STATIC_BROKER },
      { name: 'log.retention.hours', value: '168', source: CONFIG_SOURCE.DEFAULT },
    ],
  });
});

test('topic, broker, all brokers, file, default: all values are shown, and the first counts', () => {
  const sources = broker({
    dynamic: { 'log.segment.bytes': '2000000' },
    dynamicDefault: { 'log.segment.bytes': '3000000' },
    fixed: { 'log.segment.bytes': '4000000' },
  });
  assert.deepEqual(resolveTopicConfig('segment.bytes', new Map([['segment.bytes', ' 1048576 ']]), sources), {
    value: '1048576',
    source: CONFIG_SOURCE.TOPIC,
    synonyms: [
      { name: 'segment.bytes', value: '1048576', source: CONFIG_SOURCE.TOPIC },
      { name: 'log.segment.bytes', value: '2000000', source: CONFIG_SOURCE.DYNAMIC_BROKER },
      { name: 'log.segment.bytes', value: '3000000', source: CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER },
      { name: 'log.segment.bytes', value: '4000000', source: CONFIG_SOURCE.STATIC_BROKER },
      { name: 'log.segment.bytes', value: '1073741824', source: CONFIG_SOURCE.DEFAULT },
    ],
  });
});

test('minutes count before hours and milliseconds before minutes, at the same level', () => {
  const value = (fixed: Pairs): string | null =>
    resolveTopicConfig('retention.ms', NONE, broker({ fixed })).value;
  assert.equal(value({ 'log.retention.hours': '1' }), '3600000');
  assert.equal(value({ 'log.retention.hours': '1', 'log.retention.minutes': '2' }), '120000');
  assert.equal(
    value({ 'log.retention.hours': '1', 'log.retention.minutes': '2', 'log.retention.ms': '7' }),
    '7',
  );
  assert.equal(value({ 'log.retention.hours': '-1' }), '-1');
  assert.equal(value({ 'log.retention.ms': '-5' }), '-1');
});

test('a value set while the broker runs counts before one of its file, whatever their units', () => {
  const sources = broker({ dynamicDefault: { 'log.roll.hours': '2' }, fixed: { 'log.roll.ms': '5' } });
  const resolved = resolveTopicConfig('segment.ms', NONE, sources);
  assert.deepEqual([resolved.value, resolved.source], ['7200000', CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER]);
});

test('flush.ms without any setting is the scheduler interval', () => {
  assert.equal(resolveTopicConfig('flush.ms', NONE, NO_BROKER_CONFIGS).value, '9223372036854775807');
});

test('durability of a topic comes from the broker and is fsync by default', () => {
  assert.equal(resolveTopicConfig('durability', NONE, NO_BROKER_CONFIGS).value, 'fsync');
  assert.equal(
    resolveTopicConfig('durability', NONE, broker({ fixed: { durability: 'relaxed' } })).value,
    'relaxed',
  );
});

test('a topic configuration no broker configuration stands behind is its default', () => {
  const resolved = resolveTopicConfig('remote.storage.enable', NONE, NO_BROKER_CONFIGS);
  assert.deepEqual(resolved, { value: 'false', source: CONFIG_SOURCE.DEFAULT, synonyms: [] });
});

test('a group configuration comes from the group, then from the broker', () => {
  const sources = broker({ fixed: { 'group.consumer.session.timeout.ms': '46000' } });
  const name = 'consumer.session.timeout.ms';
  assert.deepEqual(resolveGroupConfig(name, NONE, sources), {
    value: '46000',
    source: CONFIG_SOURCE.STATIC_BROKER,
    synonyms: [
      { name: `group.${name}`, value: '46000', source: CONFIG_SOURCE.STATIC_BROKER },
      { name: `group.${name}`, value: '45000', source: CONFIG_SOURCE.DEFAULT },
    ],
  });
  const own = resolveGroupConfig(name, new Map([[name, '47000']]), sources);
  assert.deepEqual([own.value, own.source, own.synonyms.length], ['47000', CONFIG_SOURCE.GROUP, 3]);
});

test('a group configuration that no broker configuration stands behind is its own synonym', () => {
  const name = 'share.auto.offset.reset';
  const fallback = { name, value: 'latest', source: CONFIG_SOURCE.DEFAULT };
  assert.deepEqual(resolveGroupConfig(name, NONE, NO_BROKER_CONFIGS), {
    value: 'latest',
    source: CONFIG_SOURCE.DEFAULT,
    synonyms: [fallback],
  });
  const own = { name, value: 'earliest', source: CONFIG_SOURCE.GROUP };
  assert.deepEqual(resolveGroupConfig(name, new Map([[name, 'earliest']]), NO_BROKER_CONFIGS).synonyms, [
    own,
    fallback,
  ]);
});

test('a broker shows its id under both names, whichever was set', () => {
  const shown = (fixed: Pairs) =>
    ['node.id', 'broker.id'].map((name) => {
      const { value, source } = resolveBrokerConfig(name, broker({ fixed }));
      return [value, source];
    });
  const { STATIC_BROKER, DEFAULT } = CONFIG_SOURCE;
  assert.deepEqual(shown({ 'node.id': '7' }), Array(2).fill(['7', STATIC_BROKER]));
  assert.deepEqual(shown({ 'broker.id': '7' }), Array(2).fill(['7', STATIC_BROKER]));
  assert.deepEqual(shown({}), Array(2).fill(['1', DEFAULT]));
  assert.deepEqual(shown({ 'broker.id': '-1' }), Array(2).fill(['1', DEFAULT]));
});

test("a streams group without an assignor of its own gets the first of the broker's", () => {
  const sources = broker({ fixed: { 'group.streams.assignors': 'mine, sticky' } });
  assert.equal(resolveGroupConfig('streams.assignor.name', NONE, sources).value, 'mine');
});

test('a broker configuration has its own value only, with synonyms after it', () => {
  const sources = broker({ fixed: { 'log.retention.minutes': '3', 'log.retention.ms': '9' } });
  assert.deepEqual(resolveBrokerConfig('log.retention.ms', sources), {
    value: '9',
    source: CONFIG_SOURCE.STATIC_BROKER,
    synonyms: [
      { name: 'log.retention.ms', value: '9', source: CONFIG_SOURCE.STATIC_BROKER },
      { name: 'log.retention.minutes', value: '3', source: CONFIG_SOURCE.STATIC_BROKER },
      { name: 'log.retention.hours', value: '168', source: CONFIG_SOURCE.DEFAULT },
    ],
  });
  const unset = resolveBrokerConfig('log.retention.ms', broker({ fixed: { 'log.retention.hours': '3' } }));
  assert.deepEqual(unset, { value: null, source: CONFIG_SOURCE.DEFAULT, synonyms: [] });
});

test('secrets are null wherever they are described, and so are values nobody knows', () => {
  const sources = broker({
    fixed: {
      'ssl.key.password': 'hunter2',
      'listener.name.public.ssl.key.password': 'hunter3',
      'my.plugin.token': 'hunter4',
    },
  });
  const described = describeBrokerConfigs(sources);
  assert.equal(JSON.stringify(described).includes('hunter'), false);
  const own = described.find((one) => one.name === 'listener.name.public.ssl.key.password');
  assert.deepEqual([own?.isSensitive, own?.value, own?.synonyms.length, own?.configType], [true, null, 2, 9]);
  const unknown = described.find((one) => one.name === 'my.plugin.token');
  assert.deepEqual([unknown?.isSensitive, unknown?.readOnly, unknown?.configType], [true, true, 0]);
});

test('internal configurations are described only where they are set', () => {
  const names = (overrides: ReadonlyMap<string, string>): string[] =>
    describeTopicConfigs(overrides, NO_BROKER_CONFIGS).map((one) => one.name);
  assert.equal(names(NONE).includes('internal.segment.bytes'), false);
  assert.equal(names(NONE).length, 38);
  assert.equal(names(new Map([['internal.segment.bytes', '100']])).includes('internal.segment.bytes'), true);
  assert.equal(
    describeGroupConfigs(NONE, NO_BROKER_CONFIGS).some((one) => one.name.includes('offload')),
    false,
  );
});

test('an entry says whether it can be changed, its type and what it is', () => {
  const entry = describeBrokerConfigs(NO_BROKER_CONFIGS).find((one) => one.name === 'num.partitions');
  assert.deepEqual(entry, {
    name: 'num.partitions',
    value: '1',
    source: CONFIG_SOURCE.DEFAULT,
    synonyms: [{ name: 'num.partitions', value: '1', source: CONFIG_SOURCE.DEFAULT }],
    readOnly: true,
    isSensitive: false,
    configType: 3,
    documentation: 'The number of partitions of topics made without saying how many.',
  });
});

test('the broker without a name shows what was set for all brokers and nothing else', () => {
  const described = describeDefaultBrokerConfigs(new Map([['message.max.bytes', '2000']]));
  assert.deepEqual(
    described.map((one) => [one.name, one.value, one.source, one.synonyms.length]),
    [['message.max.bytes', '2000', CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER, 1]],
  );
});

test('an unset configuration of a client metrics subscription is a default without synonyms', () => {
  const described = describeClientMetricsConfigs(new Map([['metrics', 'a,b']]));
  assert.deepEqual(
    described.map((one) => [one.name, one.value, one.source, one.synonyms.length]),
    [
      ['interval.ms', '300000', CONFIG_SOURCE.DEFAULT, 0],
      ['match', '', CONFIG_SOURCE.DEFAULT, 0],
      ['metrics', 'a,b', CONFIG_SOURCE.CLIENT_METRICS, 1],
    ],
  );
});
