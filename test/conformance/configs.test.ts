/**
 * Compares the catalogues of configurations with Kafka's own classes: names, types, defaults, importance,
 * rules, update modes and synonyms, and what Kafka answers to thousands of values, alone and together. What
 * differs on purpose is listed here by name; anything else is a failure. Needs Java and Maven; the jars are
 * kept in `$HEADRACE_CACHE` or ~/.cache/headrace.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { BROKER_CONFIGS } from '../../src/metadata/configs/broker-configs.ts';
import { CLIENT_METRICS_CONFIGS } from '../../src/metadata/configs/client-metrics-configs.ts';
import type { Catalogue, ConfigDefinition } from '../../src/metadata/configs/definition.ts';
import { GROUP_CONFIGS } from '../../src/metadata/configs/group-configs.ts';
import { parseConfig } from '../../src/metadata/configs/parse.ts';
import { effectiveTopicConfigs, NO_BROKER_CONFIGS } from '../../src/metadata/configs/resolve.ts';
import type { ConfigTexts } from '../../src/metadata/configs/resolve.ts';
import { brokerSynonyms, groupSynonym, topicSynonyms } from '../../src/metadata/configs/synonyms.ts';
import { TOPIC_CONFIGS } from '../../src/metadata/configs/topic-configs.ts';
import { validateConfigs } from '../../src/metadata/configs/validate.ts';
import type { ConfigTarget } from '../../src/metadata/configs/validate.ts';

const KAFKA_VERSION = '4.4.0';
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Configurations Kafka's definitions do not have: ours, and the two its authorizer reads by itself. */
const ONLY_OURS: Readonly<Record<string, readonly string[]>> = {
  topic: ['durability'],
  group: [],
  broker: [
    'allow.everyone.if.no.acl.found',
    'allow.insecure.listeners',
    'durability',
    'metadata.store.ca.file',
    'metadata.store.certificate.file',
    'metadata.store.connect',
    'metadata.store.key.file',
    'metadata.store.password',
    'metadata.store.user',
    'super.users',
  ],
  'client-metrics': [],
};
/**
 * Defaults that differ: Headrace starts without configuration, which Kafka does not, and not with data in
 * /tmp.
 */
const OTHER_DEFAULTS = new Map([
  ['log.dir', 'data'],
  ['node.id', '1'],
  ['process.roles', 'broker,controller'],
]);
/** Not checked, having no effect here: Kafka parses the addresses of its quorum. */
const UNCHECKED = new Set(['controller.quorum.bootstrap.servers', 'controller.quorum.voters']);

interface Fact {
  readonly name: string;
  readonly type: string;
  readonly default: string | null;
  readonly importance: string;
  readonly internal: boolean;
  readonly valid: string | null;
}
type Texts = Readonly<Record<string, string>>;
interface Facts {
  readonly topic: readonly Fact[];
  readonly group: readonly Fact[];
  readonly broker: readonly Fact[];
  readonly 'client-metrics': readonly Fact[];
  readonly dynamicOnly: readonly Fact[];
  readonly dynamic: Texts;
  readonly topicSynonyms: Texts;
  readonly brokerSynonyms: Texts;
  readonly groupSynonyms: Texts;
}

const CATALOGUES: Readonly<Record<string, Catalogue>> = {
  topic: TOPIC_CONFIGS,
  group: GROUP_CONFIGS,
  broker: BROKER_CONFIGS,
  'client-metrics': CLIENT_METRICS_CONFIGS,
};

const missing = ['java', 'mvn'].filter((tool) => spawnSync(tool, ['-version']).status !== 0);
if (missing.length > 0 && process.env['CI'] === 'true') {
  throw new Error(`configs against Kafka ${KAFKA_VERSION}: ${missing.join(' and ')} not found`);
}
const skip = missing.length > 0 ? `SKIP configs against Kafka: ${missing.join(' and ')} not found` : false;

test(`the catalogues hold what Kafka ${KAFKA_VERSION} defines, save what is listed here`, { skip }, () => {
  const facts = JSON.parse(askKafka([], '')) as Facts;
  const problems = [...catalogueProblems(facts), ...synonymProblems(facts)];
  assert.deepEqual(problems, []);
  const counts = Object.keys(CATALOGUES).map((kind) => facts[kind as 'topic'].length);
  assert.deepEqual(counts, [38, 27, 379, 3]);
});

test('single values are taken or refused with the words of Kafka', { skip }, (context) => {
  const probes = Object.entries(CATALOGUES).flatMap(([kind, definitions]) =>
    [...definitions.values()].flatMap((definition) =>
      isProbed(kind, definition) ? candidates(definition).map((value) => ({ kind, definition, value })) : [],
    ),
  );
  const lines = probes.map((probe) => [probe.kind, probe.definition.name, escape(probe.value)].join('\t'));
  const answers = askKafka(['probe'], `${lines.join('\n')}\n`)
    .trimEnd()
    .split('\n');
  const problems = probes.flatMap(({ kind, definition, value }, index) => {
    const parsed = parseConfig(definition, value);
    const text =
      parsed.ok && definition.type === 'PASSWORD' ? '[hidden]' : parsed.ok ? parsed.text : parsed.message;
    const ours = `${parsed.ok ? 'ok' : 'no'}\t${text.replaceAll('\n', '\\n')}`;
    return ours === answers[index]
      ? []
      : [{ kind, name: definition.name, value, ours, kafka: answers[index] }];
  });
  assert.deepEqual(problems, []);
  context.diagnostic(`${probes.length} values asked`);
  assert.ok(probes.length > 4000, `only ${probes.length} values were tried`);
});

test('values that are judged together are taken or refused with the words of Kafka', { skip }, () => {
  const answers = askKafka(['probe'], `${TOGETHER.join('\n')}\n`)
    .trimEnd()
    .split('\n');
  const ours = TOGETHER.map((line) => {
    const [kind, pairs] = line.split('\t') as [string, string];
    const configs = new Map(pairs.split(';').map((pair) => splitOnce(pair)));
    const error = validateConfigs(configs, { kind, broker: NO_BROKER_CONFIGS } as ConfigTarget);
    return error === undefined ? 'ok' : `no\t${error.message}`;
  });
  assert.deepEqual(
    ours.map((answer, index) => `${TOGETHER[index]} -> ${answer}`),
    answers.map((answer, index) => `${TOGETHER[index]} -> ${answer}`),
  );
});

test('topic values come from where Kafka takes them', { skip }, () => {
  const cases = resolutionCases(2000);
  const lines = cases.map((maps) => maps.map(pairsText).join('\t'));
  const answers = askKafka(['resolve'], `${lines.join('\n')}\n`)
    .trimEnd()
    .split('\n');
  const problems = cases.flatMap(([fixed, dynamicDefault, dynamicBroker, topic], index) => {
    const described = effectiveTopicConfigs(topic, { static: fixed, dynamicDefault, dynamicBroker });
    const ours = described
      .filter((one) => !ONLY_OURS['topic']!.includes(one.name))
      .map((one) => `${one.name}=${one.value}@${SOURCE_NAMES[one.source]}`);
    return ours.join(';') === answers[index] ? [] : [{ given: lines[index], ours, kafka: answers[index] }];
  });
  assert.deepEqual(problems, []);
});

const SOURCE_NAMES: Readonly<Record<number, string>> = {
  1: 'DYNAMIC_TOPIC_CONFIG',
  2: 'DYNAMIC_BROKER_CONFIG',
  3: 'DYNAMIC_DEFAULT_BROKER_CONFIG',
  4: 'STATIC_BROKER_CONFIG',
  5: 'DEFAULT_CONFIG',
};

/** No negative hours: Kafka's schema multiplies them, while its log takes any negative time for -1, as we do. */
const BROKER_VALUES: readonly (readonly [string, string])[] = [
  ['log.retention.ms', '-1'],
  ['log.retention.minutes', '3'],
  ['log.retention.hours', '5'],
  ['log.roll.ms', '70'],
  ['log.roll.hours', '2'],
  ['log.roll.jitter.ms', '1'],
  ['log.roll.jitter.hours', '3'],
  ['log.flush.interval.ms', '9'],
  ['log.flush.scheduler.interval.ms', '8'],
  ['message.max.bytes', '5000'],
  ['log.cleanup.policy', 'compact,delete'],
  ['log.cleaner.min.cleanable.ratio', '0.25'],
  ['log.preallocate', 'true'],
  ['compression.type', 'zstd'],
  ['min.insync.replicas', '2'],
];
const TOPIC_VALUES: readonly (readonly [string, string])[] = [
  ['retention.ms', '77'],
  ['segment.ms', '88'],
  ['cleanup.policy', 'compact'],
  ['internal.segment.bytes', '99'],
];
type Maps = readonly [ConfigTexts, ConfigTexts, ConfigTexts, ConfigTexts];

/** The same cases every time: each value is there or not by one bit of a number that runs through a cycle. */
function resolutionCases(count: number): Maps[] {
  let state = 1;
  const some = (values: readonly (readonly [string, string])[]): ConfigTexts => {
    const picked = values.filter(() => {
      state = (state * 48_271) % 2_147_483_647;
      return state % 4 === 0;
    });
    return new Map(picked);
  };
  return Array.from({ length: count }, () => [
    some(BROKER_VALUES),
    some(BROKER_VALUES),
    some(BROKER_VALUES),
    some(TOPIC_VALUES),
  ]);
}

function pairsText(configs: ConfigTexts): string {
  return [...configs].map(([name, value]) => `${name}=${value}`).join(';');
}

function catalogueProblems(facts: Facts): string[] {
  const problems: string[] = [];
  for (const [kind, definitions] of Object.entries(CATALOGUES)) {
    const theirs = [...facts[kind as 'topic'], ...(kind === 'broker' ? facts.dynamicOnly : [])];
    const names = new Set(theirs.map((fact) => fact.name));
    const extra = [...definitions.keys()].filter((name) => !names.has(name));
    if (extra.join() !== ONLY_OURS[kind]!.join()) problems.push(`${kind}: only ours: ${extra.join()}`);
    for (const fact of theirs) {
      const ours = definitions.get(fact.name);
      if (ours === undefined) problems.push(`${kind} ${fact.name} is missing`);
      else problems.push(...definitionProblems(kind, ours, fact, facts));
    }
  }
  return problems;
}

function definitionProblems(kind: string, ours: ConfigDefinition, fact: Fact, facts: Facts): string[] {
  const isBroker = kind === 'broker';
  const defaultText =
    isBroker && OTHER_DEFAULTS.has(fact.name) ? OTHER_DEFAULTS.get(fact.name) : fact.default;
  const rule =
    UNCHECKED.has(fact.name) || fact.valid === 'non-null string' ? undefined : (fact.valid ?? undefined);
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['type', ours.type, fact.type],
    ['default', ours.default, defaultText],
    ['importance', ours.importance, fact.importance],
    ['internal', ours.internal, fact.internal],
    ['rule', ours.check?.text, rule],
    ['dynamic', ours.dynamic, (isBroker ? facts.dynamic[fact.name] : undefined) ?? 'read-only'],
  ];
  return pairs
    .filter(([, mine, theirs]) => mine !== theirs)
    .map(([what, mine, theirs]) => `${kind} ${fact.name} ${what}: ${String(mine)}, Kafka ${String(theirs)}`);
}

function synonymProblems(facts: Facts): string[] {
  const ours: Record<string, string> = {};
  const theirs: Record<string, string> = {};
  for (const name of TOPIC_CONFIGS.keys()) {
    if (ONLY_OURS['topic']!.includes(name)) continue;
    ours[`topic ${name}`] = topicSynonyms(name)
      .map((one) => `${one.name}*${one.factor}`)
      .join();
    theirs[`topic ${name}`] = facts.topicSynonyms[name] ?? '';
  }
  for (const [name, chain] of Object.entries(facts.brokerSynonyms)) {
    ours[`broker ${name}`] = brokerSynonyms(name).join();
    theirs[`broker ${name}`] = chain;
  }
  for (const [name, synonym] of Object.entries(facts.groupSynonyms)) {
    ours[`group ${name}`] = groupSynonym(name) ?? '';
    theirs[`group ${name}`] = synonym;
  }
  return Object.keys(ours)
    .filter((key) => ours[key] !== theirs[key])
    .map((key) => `${key}: ${ours[key]}, Kafka ${theirs[key]}`);
}

/** Java classes cannot be loaded here, so values of type CLASS are not judged. */
function isProbed(kind: string, definition: ConfigDefinition): boolean {
  if (ONLY_OURS[kind]!.includes(definition.name) || definition.type === 'CLASS') return false;
  const isDynamicOnly =
    definition.name.endsWith('throttled.rate') || definition.name.startsWith('replica.alter.log');
  return !UNCHECKED.has(definition.name) && !(kind === 'broker' && isDynamicOnly);
}

function candidates(definition: ConfigDefinition): string[] {
  const general = ['', ' ', '  5\t', 'true', 'FALSE', 'abc', 'a,b', 'a, b ,a', 'a,,b', ','];
  const bounds = (definition.check?.text.match(/-?\d+(\.\d+)?/g) ?? []).flatMap((bound) => {
    if (bound.includes('.')) return [bound, String(Number(bound) + 0.1)];
    return [BigInt(bound) - 1n, BigInt(bound), BigInt(bound) + 1n].map(String);
  });
  const choices = (definition.check?.text ?? '').replace(/^.*\[|\]$/g, '').split(', ');
  const texts = [choices[0]!, choices.join(','), choices.at(-1)!.toLowerCase(), `${choices[0]!},nothing`];
  return [
    ...general,
    ...bounds,
    ...texts,
    ...SPECIAL[definition.type],
    ...(SPECIAL_BY_NAME[definition.name] ?? []),
  ];
}

const INTEGERS = [
  '0',
  '-1',
  '+7',
  '007',
  '1_0',
  '1.0',
  '0x10',
  '- 1',
  '--1',
  '32768',
  '-32769',
  '2147483647',
];
const LARGE = [
  '2147483648',
  '-2147483649',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775809',
];
const DOUBLES = [
  '1',
  '.5',
  '5.',
  '1e-5',
  '1E7',
  '9999999',
  '0.001',
  '0.0009',
  '-0.0',
  'Infinity',
  '1d',
  '2.5f',
  'e5',
  '.',
];
const SPECIAL: Readonly<Record<ConfigDefinition['type'], readonly string[]>> = {
  BOOLEAN: ['True', 'yes', '1'],
  STRING: ['x y', 'none'],
  INT: [...INTEGERS, ...LARGE],
  SHORT: [...INTEGERS, ...LARGE],
  LONG: [...INTEGERS, ...LARGE],
  DOUBLE: [...INTEGERS.filter((text) => text !== '0x10'), ...DOUBLES],
  LIST: ['a', 'a , b', ' a', 'a,', ',a', 'a\n,b'],
  CLASS: [],
  PASSWORD: ['secret'],
};

const REPLICAS = ['*', '1:2', '1:2,3:4', '1:2,', '1:a', '*,1:2', '1:2:3', '-1:2', '1:2,,3:4'];
const SPECIAL_BY_NAME: Readonly<Record<string, readonly string[]>> = {
  'leader.replication.throttled.replicas': REPLICAS,
  'follower.replication.throttled.replicas': REPLICAS,
  'share.auto.offset.reset': (
    'latest;Latest; earliest ;none;by_duration;by_duration:;by_duration:P;by_duration:PT;by_duration:P1D;' +
    'by_duration:PT1.5S;by_duration:PT1,5S;by_duration:-P1D;by_duration:P-1D;by_duration:P1Y;' +
    'by_duration:P2W;by_duration:P1DT;by_duration:P1DT2H3M4S;by_duration:PT1M2H;by_duration:P1D2H;' +
    'by_duration:PT0S;' +
    'by_duration:PT-1H;BY_DURATION:PT1H;by_duration:pt1h;by_duration:PT1.S;by_duration:PT.5S;' +
    'by_duration:PT0.0000000001S'
  ).split(';'),
};

const TOGETHER: readonly string[] = [
  'group\tconsumer.session.timeout.ms=1000',
  'group\tconsumer.session.timeout.ms=44999',
  'group\tconsumer.session.timeout.ms=45000',
  'group\tconsumer.session.timeout.ms=60000',
  'group\tconsumer.session.timeout.ms=60001',
  'group\tconsumer.session.timeout.ms=50000;consumer.heartbeat.interval.ms=5000',
  'group\tconsumer.heartbeat.interval.ms=15001',
  'group\tconsumer.assignment.interval.ms=15001',
  'group\tshare.session.timeout.ms=1',
  'group\tshare.heartbeat.interval.ms=4999',
  'group\tshare.record.lock.duration.ms=1',
  'group\tshare.record.lock.duration.ms=14999',
  'group\tshare.record.lock.duration.ms=60001',
  'group\tshare.delivery.count.limit=11',
  'group\tshare.partition.max.record.locks=4001',
  'group\tstreams.num.standby.replicas=2',
  'group\tstreams.num.standby.replicas=3',
  'group\tstreams.num.warmup.replicas=21',
  'group\tstreams.task.offset.interval.ms=5',
  'group\tstreams.heartbeat.interval.ms=20000',
  'group\tstreams.assignor.name=foo',
  'group\tstreams.assignor.name=sticky',
  'group\tstreams.assignor.name=',
  'group\tstreams.rack.aware.assignment.tags=a,a',
  'group\tstreams.rack.aware.assignment.tags=a, a',
  'group\tstreams.rack.aware.assignment.tags=a,b,c',
  'group\tstreams.rack.aware.assignment.tags=a,,b',
  'group\terrors.deadletterqueue.topic.name=__x',
  'group\terrors.deadletterqueue.topic.name=a b',
  'group\terrors.deadletterqueue.topic.name=',
  'group\tfoo=1',
  'topic\tmin.compaction.lag.ms=5;max.compaction.lag.ms=4',
  'topic\tmin.compaction.lag.ms=5;max.compaction.lag.ms=5',
  'topic\tremote.storage.enable=true',
  'topic\tremote.storage.enable=false',
  'topic\tremote.log.copy.disable=true',
  'topic\tlocal.retention.ms=5;retention.ms=4',
  'topic\tcleanup.policy=compact,compact',
  'topic\tcleanup.policy=compact,delete',
  'topic\tcleanup.policy=',
  'topic\tinternal.segment.bytes=100',
  'topic\tfoo=bar',
  'topic\tfoo=bar;retention.ms=x',
  'client-metrics\tfoo=1',
  'client-metrics\tinterval.ms=99',
  'client-metrics\tinterval.ms=100',
  'client-metrics\tinterval.ms=3600001',
  'client-metrics\tinterval.ms=x',
  'client-metrics\tmatch=client_id',
  'client-metrics\tmatch=client_id=',
  'client-metrics\tmatch=client_id=a=b',
  'client-metrics\tmatch=client_id=[',
  'client-metrics\tmatch=foo=x',
  'client-metrics\tmatch=client_id= x , client_software_name=y',
  'client-metrics\tmetrics=',
  'client-metrics\tmetrics=a,a',
  'client-metrics\tmetrics=a,,b',
];

function splitOnce(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

function escape(value: string): string {
  return value.replaceAll('\t', '\\t').replaceAll('\n', '\\n');
}

/** Runs ConfigFacts.java on Kafka's jars and returns what it prints. */
function askKafka(args: readonly string[], input: string): string {
  const jars = kafkaJars();
  const classPath = readdirSync(jars)
    .filter((name) => name.endsWith('.jar'))
    .map((name) => join(jars, name))
    .join(delimiter);
  const program = join(import.meta.dirname, 'java', 'ConfigFacts.java');
  const command = ['-Dfile.encoding=UTF-8', '-cp', classPath, program, ...args];
  return execFileSync('java', command, {
    input,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

/** The folder with Kafka's server jars, filled by Maven the first time. */
function kafkaJars(): string {
  const cache = process.env['HEADRACE_CACHE'] ?? join(homedir(), '.cache', 'headrace');
  const folder = join(cache, `kafka-server-${KAFKA_VERSION}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  writeFileSync(
    join(fresh, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>headrace</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>${KAFKA_VERSION}</version></dependency></dependencies></project>`,
  );
  const goal = [
    '-q',
    '-B',
    '-f',
    join(fresh, 'pom.xml'),
    'dependency:copy-dependencies',
    `-DoutputDirectory=${fresh}`,
  ];
  execFileSync('mvn', goal, { stdio: ['ignore', 'ignore', 'inherit'] });
  // Renamed when complete, so that an interrupted download is not taken for the jars.
  if (!existsSync(folder)) renameSync(fresh, folder);
  return folder;
}
