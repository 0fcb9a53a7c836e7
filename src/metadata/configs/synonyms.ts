/**
 * Which broker configurations stand in for a topic's or group's configuration that has no value of its own,
 * in the order they are asked, and how their units are converted (Kafka: ServerTopicConfigSynonyms,
 * GroupConfig).
 */

export interface Synonym {
  /** The broker configuration. */
  readonly name: string;
  /** Its value times this is the topic's value; 1 also for values that are no numbers. */
  readonly factor: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const TOPIC_SYNONYMS: ReadonlyMap<string, readonly Synonym[]> = new Map([
  ...same('compression.gzip.level', 'compression.lz4.level', 'compression.type', 'compression.zstd.level'),
  ...same('durability', 'max.decompressed.message.bytes', 'min.insync.replicas'),
  ...same('unclean.leader.election.enable'),
  ...prefixed(
    'log.',
    'cleanup.policy',
    'index.interval.bytes',
    'local.retention.bytes',
    'local.retention.ms',
  ),
  ...prefixed('log.', 'message.timestamp.after.max.ms', 'message.timestamp.before.max.ms'),
  ...prefixed('log.', 'message.timestamp.type', 'preallocate', 'remote.copy.lag.bytes', 'remote.copy.lag.ms'),
  ...prefixed('log.', 'retention.bytes', 'segment.bytes'),
  ...prefixed('log.cleaner.', 'delete.retention.ms', 'max.compaction.lag.ms', 'min.compaction.lag.ms'),
  renamed('file.delete.delay.ms', 'log.segment.delete.delay.ms'),
  renamed('flush.messages', 'log.flush.interval.messages'),
  renamed('max.message.bytes', 'message.max.bytes'),
  renamed('min.cleanable.dirty.ratio', 'log.cleaner.min.cleanable.ratio'),
  renamed('segment.index.bytes', 'log.index.size.max.bytes'),
  renamed('flush.ms', 'log.flush.interval.ms', 'log.flush.scheduler.interval.ms'),
  chain('retention.ms', [
    { name: 'log.retention.ms', factor: 1 },
    { name: 'log.retention.minutes', factor: MINUTE_MS },
    { name: 'log.retention.hours', factor: HOUR_MS },
  ]),
  chain('segment.jitter.ms', [
    { name: 'log.roll.jitter.ms', factor: 1 },
    { name: 'log.roll.jitter.hours', factor: HOUR_MS },
  ]),
  chain('segment.ms', [
    { name: 'log.roll.ms', factor: 1 },
    { name: 'log.roll.hours', factor: HOUR_MS },
  ]),
]);

/** Group configurations that no broker configuration stands behind. */
const GROUP_ONLY: ReadonlySet<string> = new Set([
  'errors.deadletterqueue.copy.record.enable',
  'errors.deadletterqueue.topic.name',
  'share.auto.offset.reset',
  'share.isolation.level',
  'share.renew.acknowledge.enable',
]);

/**
 * The broker configurations behind a topic configuration, first the one that counts most; empty: there is
 * none.
 */
export function topicSynonyms(name: string): readonly Synonym[] {
  return TOPIC_SYNONYMS.get(name) ?? [];
}

/** Any negative time to keep records is the topic's -1, whatever its unit. */
const NEGATIVE_MEANS_FOR_EVER = /^log\.retention\.(ms|minutes|hours)$/;

/** A broker configuration's value in the unit of the topic configuration it stands in for. */
export function convertedText(synonym: Synonym, text: string): string {
  const value = Number(text);
  if (value < 0 && NEGATIVE_MEANS_FOR_EVER.test(synonym.name)) return '-1';
  return synonym.factor === 1 || !Number.isSafeInteger(value) ? text : String(value * synonym.factor);
}

/** The broker configuration behind a group configuration. */
export function groupSynonym(name: string): string | undefined {
  if (GROUP_ONLY.has(name)) return undefined;
  // The group names one assignor, the broker a list whose first is the default.
  return name === 'streams.assignor.name' ? 'group.streams.assignors' : `group.${name}`;
}

/** Broker configurations that mean the same in other units, first the one that counts most. */
const BROKER_SYNONYMS: readonly (readonly string[])[] = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
];

/**
 * The names under which a broker configuration may be set, itself included, first the one that counts most.
 */
export function brokerSynonyms(name: string): readonly string[] {
  if (name === 'log.flush.interval.ms') return [name, 'log.flush.scheduler.interval.ms'];
  return BROKER_SYNONYMS.find((names) => names.includes(name)) ?? [name];
}

type Entry = [string, readonly Synonym[]];

function same(...names: readonly string[]): Entry[] {
  return names.map((name) => renamed(name, name));
}

function prefixed(prefix: string, ...names: readonly string[]): Entry[] {
  return names.map((name) => renamed(name, prefix + name));
}

function renamed(name: string, ...brokerNames: readonly string[]): Entry {
  return [name, brokerNames.map((brokerName) => ({ name: brokerName, factor: 1 }))];
}

function chain(name: string, synonyms: readonly Synonym[]): Entry {
  return [name, synonyms];
}
