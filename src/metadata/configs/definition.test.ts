import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKER_CONFIGS, brokerDefinition, listenerConfigName } from './broker-configs.ts';
import { CLIENT_METRICS_CONFIGS } from './client-metrics-configs.ts';
import { catalogue, define } from './definition.ts';
import { GROUP_CONFIGS } from './group-configs.ts';
import { parseConfig } from './parse.ts';
import { groupSynonym, topicSynonyms } from './synonyms.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

const ALL = [TOPIC_CONFIGS, GROUP_CONFIGS, BROKER_CONFIGS, CLIENT_METRICS_CONFIGS];

test('the catalogues have the numbers of configurations Kafka 4.4.0 has, and our own', () => {
  assert.deepEqual(
    ALL.map((definitions) => definitions.size),
    [38 + 1, 27, 379 + 3 + 2 + 8, 3],
  );
});

test('every configuration is documented in whole sentences of one or two lines', () => {
  for (const { name, documentation } of ALL.flatMap((definitions) => [...definitions.values()])) {
    const good = /^[A-Z].*\.$/.test(documentation) && documentation.length < 200;
    assert.deepEqual([name, good], [name, true]);
  }
});

test('every default obeys the rule of its configuration', () => {
  for (const definition of ALL.flatMap((definitions) => [...definitions.values()])) {
    const ok = definition.default === null || parseConfig(definition, definition.default).ok;
    assert.deepEqual([definition.name, ok], [definition.name, true]);
  }
});

test('every synonym is a broker configuration of the same type as what it stands in for', () => {
  for (const definition of TOPIC_CONFIGS.values()) {
    for (const synonym of topicSynonyms(definition.name)) {
      const type = synonym.factor === 1 ? definition.type : 'INT';
      assert.deepEqual([synonym.name, BROKER_CONFIGS.get(synonym.name)?.type], [synonym.name, type]);
    }
  }
  for (const definition of GROUP_CONFIGS.values()) {
    const name = groupSynonym(definition.name);
    if (name === undefined) continue;
    const type = name === 'group.streams.assignors' ? 'LIST' : definition.type;
    assert.deepEqual([name, BROKER_CONFIGS.get(name)?.type], [name, type]);
  }
});

test('a configuration may be given for one listener, or for one mechanism of it', () => {
  assert.equal(listenerConfigName('listener.name.public.ssl.keystore.location'), 'ssl.keystore.location');
  assert.equal(brokerDefinition('listener.name.public.scram-sha-256.sasl.jaas.config')?.type, 'PASSWORD');
  assert.equal(brokerDefinition('listener.name.public.no.such.thing'), undefined);
  assert.equal(listenerConfigName('listeners'), undefined);
});

test('a name that is defined twice is refused', () => {
  const twice = [define('INT', 'a', '1', 'A.'), define('INT', 'a', '2', 'A.')];
  assert.throws(() => catalogue(twice), /defined twice/);
});
