/**
 * The bounds a broker sets for the configurations of groups: values outside are refused when they are set,
 * and cut to the bounds when the broker's bounds have moved since (Kafka 4.4: GroupConfig.validate and
 * evaluate).
 */
import type { ConfigValue } from './definition.ts';
import { defaultValue, parseConfig } from './parse.ts';
import { resolveBrokerConfig, resolveGroupConfig } from './resolve.ts';
import type { BrokerConfigSources, ConfigTexts } from './resolve.ts';
import { BROKER_CONFIGS } from './broker-configs.ts';
import { GROUP_CONFIGS } from './group-configs.ts';

/** A group configuration and the broker configurations that bound it. */
interface Bounds {
  readonly name: string;
  readonly min?: string;
  readonly max?: string;
}

const BOUNDS: readonly Bounds[] = [
  bothBounds('consumer', 'heartbeat.interval.ms'),
  bothBounds('consumer', 'session.timeout.ms'),
  bothBounds('consumer', 'assignment.interval.ms'),
  bothBounds('share', 'heartbeat.interval.ms'),
  bothBounds('share', 'session.timeout.ms'),
  bothBounds('share', 'record.lock.duration.ms'),
  bothBounds('share', 'delivery.count.limit'),
  bothBounds('share', 'partition.max.record.locks'),
  bothBounds('share', 'assignment.interval.ms'),
  bothBounds('streams', 'heartbeat.interval.ms'),
  bothBounds('streams', 'session.timeout.ms'),
  { name: 'streams.num.standby.replicas', max: 'group.streams.max.standby.replicas' },
  bothBounds('streams', 'assignment.interval.ms'),
  { name: 'streams.task.offset.interval.ms', min: 'group.streams.min.task.offset.interval.ms' },
  { name: 'streams.num.warmup.replicas', max: 'group.streams.max.warmup.replicas' },
];

function bothBounds(type: 'consumer' | 'share' | 'streams', rest: string): Bounds {
  return { name: `${type}.${rest}`, min: `group.${type}.min.${rest}`, max: `group.${type}.max.${rest}` };
}

/** What is wrong with a group's own configurations, taken together; undefined: nothing. */
export function groupProblem(
  values: ReadonlyMap<string, ConfigValue>,
  texts: ConfigTexts,
  broker: BrokerConfigSources,
): string | undefined {
  return (
    repeatedTagProblem(texts) ??
    boundsProblem(values, broker) ??
    sessionProblem(values, texts, broker) ??
    deadLetterProblem(values) ??
    assignorProblem(values, broker)
  );
}

/** Tags are judged as they were written, since parsing drops repeats. */
function repeatedTagProblem(texts: ConfigTexts): string | undefined {
  const name = 'streams.rack.aware.assignment.tags';
  const tags = (texts.get(name) ?? '').split(',').map((tag) => tag.trim());
  return new Set(tags).size === tags.length ? undefined : `${name} must not contain duplicate tag keys.`;
}

function boundsProblem(
  values: ReadonlyMap<string, ConfigValue>,
  broker: BrokerConfigSources,
): string | undefined {
  for (const bounds of BOUNDS) {
    const value = values.get(bounds.name) as number | undefined;
    if (value === undefined) continue;
    const { min, max } = limits(bounds, broker);
    if (value >= min && value <= max) continue;
    if (bounds.max === undefined) return `${bounds.name} must be greater than or equal to ${min}`;
    if (bounds.min === undefined) return `${bounds.name} must be less than or equal to ${max}`;
    return `${bounds.name} must be in the range ${min} to ${max} inclusive.`;
  }
  return undefined;
}

/** A member must be able to miss a heartbeat: checked where the group sets either of the two. */
function sessionProblem(
  values: ReadonlyMap<string, ConfigValue>,
  texts: ConfigTexts,
  broker: BrokerConfigSources,
): string | undefined {
  for (const type of ['consumer', 'share', 'streams']) {
    const session = `${type}.session.timeout.ms`;
    const heartbeat = `${type}.heartbeat.interval.ms`;
    if (!values.has(session) && !values.has(heartbeat)) continue;
    const sessionMs = Number(resolveGroupConfig(session, texts, broker).value);
    const heartbeatMs = Number(resolveGroupConfig(heartbeat, texts, broker).value);
    if (sessionMs <= heartbeatMs) return `${session} must be greater than ${heartbeat}`;
  }
  return undefined;
}

function deadLetterProblem(values: ReadonlyMap<string, ConfigValue>): string | undefined {
  const name = 'errors.deadletterqueue.topic.name';
  const topic = (values.get(name) ?? '') as string;
  return topic.startsWith('__') ? `${name}: DLQ topic name must not start with '__'` : undefined;
}

function assignorProblem(
  values: ReadonlyMap<string, ConfigValue>,
  broker: BrokerConfigSources,
): string | undefined {
  const assignor = values.get('streams.assignor.name') as string | undefined;
  if (assignor === undefined) return undefined;
  const registered = brokerValue('group.streams.assignors', broker) as readonly string[];
  if (registered.includes(assignor)) return undefined;
  return (
    `streams.assignor.name '${assignor}' is not a registered task assignor. ` +
    `Registered assignors are: [${registered.join(', ')}].`
  );
}

/** The value a group works with: its own cut to the broker's bounds, else the broker's, else the default. */
export function effectiveGroupValue(
  name: string,
  overrides: ConfigTexts,
  broker: BrokerConfigSources,
): ConfigValue {
  const definition = GROUP_CONFIGS.get(name)!;
  const text = resolveGroupConfig(name, overrides, broker).value;
  if (text === null) return null;
  const parsed = parseConfig(definition, text);
  const value = parsed.ok ? parsed.value : defaultValue(definition);
  const bounds = BOUNDS.find((one) => one.name === name);
  if (bounds === undefined || typeof value !== 'number') return value;
  const { min, max } = limits(bounds, broker);
  return Math.max(min, Math.min(max, value));
}

function limits(bounds: Bounds, broker: BrokerConfigSources): { min: number; max: number } {
  return {
    min: bounds.min === undefined ? -Infinity : (brokerValue(bounds.min, broker) as number),
    max: bounds.max === undefined ? Infinity : (brokerValue(bounds.max, broker) as number),
  };
}

function brokerValue(name: string, broker: BrokerConfigSources): ConfigValue {
  const definition = BROKER_CONFIGS.get(name)!;
  const text = resolveBrokerConfig(name, broker).value;
  const parsed = text === null ? undefined : parseConfig(definition, text);
  return parsed?.ok === true ? parsed.value : defaultValue(definition);
}
