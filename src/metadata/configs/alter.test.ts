import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { alterOp, applyIncremental, applyReplacement } from './alter.ts';
import type { AlterOp, IncrementalChange } from './alter.ts';
import { describeTopicConfigs, NO_BROKER_CONFIGS } from './resolve.ts';
import { validateConfigs } from './validate.ts';
import type { ConfigTarget } from './validate.ts';

const TOPIC: ConfigTarget = { kind: 'topic', broker: NO_BROKER_CONFIGS };
const GROUP: ConfigTarget = { kind: 'group', broker: NO_BROKER_CONFIGS };
const ONE_BROKER: ConfigTarget = { kind: 'broker', perBroker: true };
const ALL_BROKERS: ConfigTarget = { kind: 'broker', perBroker: false };
const NONE: ReadonlyMap<string, string> = new Map();

function change(op: AlterOp, name: string, value: string | null = null): IncrementalChange {
  return { op, name, value };
}

/** The new configurations as an object, or the error as `CODE message`. */
function outcome(result: ReturnType<typeof applyIncremental>): unknown {
  return result.ok ? Object.fromEntries(result.configs) : `${result.errorCode} ${result.message}`;
}

function incremental(current: Record<string, string>, changes: IncrementalChange[], target = TOPIC): unknown {
  return outcome(applyIncremental(new Map(Object.entries(current)), changes, target));
}

test('SET, DELETE, APPEND and SUBTRACT in one request', () => {
  const current = {
    'retention.ms': '5',
    'cleanup.policy': 'delete',
    'leader.replication.throttled.replicas': '0:1,1:1',
  };
  const changes = [
    change('SET', 'max.message.bytes', '2000'),
    change('DELETE', 'retention.ms'),
    change('APPEND', 'cleanup.policy', 'compact,delete'),
    change('SUBTRACT', 'leader.replication.throttled.replicas', '1:1,9:9'),
  ];
  assert.deepEqual(incremental(current, changes), {
    'max.message.bytes': '2000',
    'cleanup.policy': 'delete,compact',
    'leader.replication.throttled.replicas': '0:1',
  });
});

test('APPEND and SUBTRACT on a list that is not set begin with the default', () => {
  assert.deepEqual(incremental({}, [change('APPEND', 'cleanup.policy', 'compact')]), {
    'cleanup.policy': 'delete,compact',
  });
  assert.deepEqual(incremental({}, [change('SUBTRACT', 'cleanup.policy', 'delete')]), {
    'cleanup.policy': '',
  });
});

test('the configurations given are not changed', () => {
  const current = new Map([['retention.ms', '5']]);
  applyIncremental(current, [change('DELETE', 'retention.ms')], TOPIC);
  assert.deepEqual([...current], [['retention.ms', '5']]);
});

test('APPEND to what is no list is refused, also to an unknown name', () => {
  assert.equal(
    incremental({}, [change('APPEND', 'retention.ms', '1')]),
    `${Errors.INVALID_CONFIG} Can't APPEND to key retention.ms because its type is not LIST.`,
  );
  assert.equal(
    incremental({}, [change('SUBTRACT', 'no.such', '1')]),
    `${Errors.INVALID_CONFIG} Can't SUBTRACT to key no.such because its type is not LIST.`,
  );
  assert.equal(
    incremental({}, [change('APPEND', 'log.retention.ms', '1')], ALL_BROKERS),
    `${Errors.INVALID_CONFIG} Config value append is not allowed for config key: log.retention.ms`,
  );
});

test('appending nothing is refused as an empty value', () => {
  assert.equal(
    incremental({}, [change('APPEND', 'cleanup.policy', '')]),
    `${Errors.INVALID_CONFIG} Configuration 'cleanup.policy' values must not be empty.`,
  );
});

test('a name that occurs twice, and a value that is null, are invalid requests', () => {
  assert.equal(
    incremental({}, [change('SET', 'retention.ms', '1'), change('DELETE', 'retention.ms')]),
    `${Errors.INVALID_REQUEST} Error due to duplicate config keys`,
  );
  assert.equal(
    incremental({}, [change('SET', 'retention.ms'), change('APPEND', 'cleanup.policy')]),
    `${Errors.INVALID_REQUEST} Null value not supported for : retention.ms, cleanup.policy`,
  );
});

test('unknown names and wrong values are invalid configurations', () => {
  assert.equal(
    incremental({}, [change('SET', 'retention.mss', '1')]),
    `${Errors.INVALID_CONFIG} Unknown topic config name: retention.mss`,
  );
  assert.equal(
    incremental({}, [change('SET', 'retention.bytes', '-2x')], TOPIC),
    `${Errors.INVALID_CONFIG} Invalid value -2x for configuration retention.bytes: Not a number of type LONG`,
  );
  assert.equal(
    incremental({}, [change('SET', 'no.such', '1')], GROUP),
    `${Errors.INVALID_CONFIG} Unknown group config name: no.such`,
  );
});

test('deleting what is not set, or not known, changes nothing', () => {
  assert.deepEqual(incremental({}, [change('DELETE', 'no.such'), change('DELETE', 'retention.ms')]), {});
});

test('a value of more than 32767 characters is refused', () => {
  assert.equal(
    incremental({}, [change('SET', 'compression.type', 'x'.repeat(32_768))]),
    `${Errors.INVALID_CONFIG} The configuration value cannot be added because ` +
      'it exceeds the maximum value size of 32767 bytes.',
  );
});

test('values that are too long are refused for every kind of resource, before all else', () => {
  const long = new Map([['no.such', 'x'.repeat(32_768)]]);
  for (const target of [TOPIC, GROUP, ONE_BROKER]) {
    assert.match(validateConfigs(long, target)!.message, /exceeds the maximum value size/);
  }
});

test('the compaction lags are judged with the values that are not changed', () => {
  const broker = { ...NO_BROKER_CONFIGS, static: new Map([['log.cleaner.max.compaction.lag.ms', '10']]) };
  assert.equal(
    incremental({}, [change('SET', 'min.compaction.lag.ms', '11')], { kind: 'topic', broker }),
    `${Errors.INVALID_CONFIG} conflict topic config setting ` +
      'min.compaction.lag.ms (11) > max.compaction.lag.ms (10)',
  );
  assert.deepEqual(
    incremental({ 'max.compaction.lag.ms': '11' }, [change('SET', 'min.compaction.lag.ms', '11')]),
    {
      'max.compaction.lag.ms': '11',
      'min.compaction.lag.ms': '11',
    },
  );
});

test("a group's values must lie within the broker's bounds, as configured", () => {
  const changes = [change('SET', 'consumer.session.timeout.ms', '70000')];
  assert.equal(
    incremental({}, changes, GROUP),
    `${Errors.INVALID_CONFIG} consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.`,
  );
  const broker = {
    ...NO_BROKER_CONFIGS,
    static: new Map([['group.consumer.max.session.timeout.ms', '70000']]),
  };
  assert.deepEqual(incremental({}, changes, { kind: 'group', broker }), {
    'consumer.session.timeout.ms': '70000',
  });
});

test("a group's session must be longer than its heartbeat", () => {
  const fixed = {
    'group.share.min.session.timeout.ms': '1000',
    'group.share.min.heartbeat.interval.ms': '1000',
  };
  const broker = { ...NO_BROKER_CONFIGS, static: new Map(Object.entries(fixed)) };
  assert.equal(
    incremental({}, [change('SET', 'share.session.timeout.ms', '5000')], { kind: 'group', broker }),
    `${Errors.INVALID_CONFIG} share.session.timeout.ms must be greater than share.heartbeat.interval.ms`,
  );
});

test('full replacement forgets what is not sent', () => {
  assert.deepEqual(outcome(applyReplacement([{ name: 'retention.ms', value: '7' }], TOPIC)), {
    'retention.ms': '7',
  });
  assert.deepEqual(outcome(applyReplacement([], TOPIC)), {});
  assert.equal(
    outcome(applyReplacement([{ name: 'retention.ms', value: null }], TOPIC)),
    `${Errors.INVALID_REQUEST} Null value not supported for : retention.ms`,
  );
});

test('everything DescribeConfigs returned may be sent back', () => {
  const described = describeTopicConfigs(new Map([['cleanup.policy', 'compact']]), NO_BROKER_CONFIGS);
  assert.equal(applyReplacement(described, TOPIC).ok, true);
});

test('a broker configuration that cannot change while the broker runs is an invalid request', () => {
  assert.equal(
    incremental({}, [change('SET', 'num.partitions', '3'), change('SET', 'node.id', '3')], ONE_BROKER),
    `${Errors.INVALID_REQUEST} Cannot update these configs dynamically: [num.partitions, node.id]`,
  );
});

test('what belongs to one broker cannot be set for all, with or without a listener', () => {
  const prefix =
    `${Errors.INVALID_REQUEST} Cannot update these configs at default cluster level, ` +
    'broker id must be specified';
  assert.equal(
    incremental({}, [change('SET', 'listeners', 'A://:1')], ALL_BROKERS),
    `${prefix}: [listeners]`,
  );
  const own = 'listener.name.a.ssl.keystore.location';
  assert.equal(incremental({}, [change('SET', own, '/k')], ALL_BROKERS), `${prefix}: [${own}]`);
  assert.deepEqual(incremental({}, [change('SET', own, '/k')], ONE_BROKER), { [own]: '/k' });
  assert.deepEqual(incremental({}, [change('SET', 'listener.name.a.max.connections', '5')], ALL_BROKERS), {
    'listener.name.a.max.connections': '5',
  });
});

test('keys and certificates change per listener only', () => {
  assert.equal(
    incremental({}, [change('SET', 'ssl.keystore.location', '/k')], ONE_BROKER),
    `${Errors.INVALID_REQUEST} These security configs can be dynamically updated only per-listener ` +
      'using the listener prefix: [ssl.keystore.location]',
  );
});

test('a wrong broker value is an invalid request, and a name nobody knows is stored', () => {
  assert.equal(
    incremental({}, [change('SET', 'log.retention.ms', 'x')], ALL_BROKERS),
    `${Errors.INVALID_REQUEST} Invalid value x for configuration log.retention.ms: Not a number of type LONG`,
  );
  assert.deepEqual(incremental({}, [change('SET', 'my.plugin.thing', 'x')], ALL_BROKERS), {
    'my.plugin.thing': 'x',
  });
});

test('a client metrics subscription takes its three configurations only', () => {
  const target: ConfigTarget = { kind: 'client-metrics' };
  assert.equal(
    incremental({}, [change('SET', 'interval.ms', '99')], target),
    `${Errors.INVALID_REQUEST} Invalid value 99 for interval.ms, ` +
      'interval must be between 100 and 3600000 (1 hour)',
  );
  assert.equal(
    incremental({}, [change('SET', 'match', 'client_id=(')], target),
    `${Errors.INVALID_CONFIG} Illegal client matching pattern: client_id=(`,
  );
  assert.equal(
    incremental({}, [change('SET', 'no', '1')], target),
    `${Errors.INVALID_REQUEST} Unknown client metrics configuration: no`,
  );
  assert.deepEqual(incremental({ metrics: 'a' }, [change('APPEND', 'metrics', 'b')], target), {
    metrics: 'a,b',
  });
});

test('the operations have the numbers of KIP-339', () => {
  assert.deepEqual([0, 1, 2, 3, 4, -1].map(alterOp), [
    'SET',
    'DELETE',
    'APPEND',
    'SUBTRACT',
    undefined,
    undefined,
  ]);
  assert.equal(applyIncremental(NONE, [], TOPIC).ok, true);
});
