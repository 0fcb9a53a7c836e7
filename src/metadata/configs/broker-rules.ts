/**
 * What can be wrong with a broker's configuration as a whole: wrong values, names nobody knows, settings that
 * contradict each other. Each sentence names the setting, what is wrong and what to write instead.
 */
import { BROKER_CONFIGS, brokerDefinition, listenerConfigName } from './broker-configs.ts';
import type { BrokerReader } from './broker-reader.ts';
import type { BrokerSettings } from './broker-settings.ts';
import type { ConfigDefinition } from './definition.ts';
import type { Findings } from './listeners.ts';
import { nearMiss } from './near-miss.ts';
import { parseConfig } from './parse.ts';
import type { BrokerConfigSources } from './resolve.ts';

/** Every value of every source: wrong ones are errors, names nobody knows are warnings with a guess. */
export function checkTexts(sources: BrokerConfigSources, findings: Findings): void {
  for (const texts of [sources.static, sources.dynamicDefault, sources.dynamicBroker]) {
    for (const [name, text] of texts) {
      const definition = brokerDefinition(name);
      if (definition === undefined) {
        findings.warnings.push(unknownName(name));
        continue;
      }
      const problem = valueProblem(definition, name, text);
      if (problem !== undefined) findings.errors.push(problem);
    }
  }
}

/** The warning about a name that is in no catalogue. */
export function unknownName(name: string): string {
  if (name.startsWith('zookeeper.')) {
    return `${name}: Kafka 4 has no ZooKeeper any more, nor has Headrace; remove the setting`;
  }
  const base = listenerConfigName(name);
  const near = nearMiss(base ?? name, BROKER_CONFIGS.keys());
  if (near === undefined) return `${name}: no such setting, it is ignored`;
  const meant = base === undefined ? near : name.slice(0, -base.length) + near;
  return `${name}: no such setting, it is ignored; did you mean ${meant}?`;
}

/** What is wrong with a value and what to write instead; undefined: it is right. */
export function valueProblem(definition: ConfigDefinition, name: string, text: string): string | undefined {
  const parsed = parseConfig(definition, text);
  if (parsed.ok) return undefined;
  const rule = definition.check?.text ?? '';
  const legal = rule === '' ? '' : ` (legal: ${rule})`;
  const fallback = definition.default === null ? '' : `, or leave it out for ${definition.default || 'none'}`;
  return `${name}: ${parsed.message}; set it to a ${definition.type} value${legal}${fallback}`;
}

/** Relations between settings, those that Kafka refuses to start with. */
export function checkTogether(settings: BrokerSettings, read: BrokerReader, findings: Findings): void {
  const { errors, warnings } = findings;
  const { log, network, replication, node } = settings;
  const brokerId = read.number('broker.id');
  if (read.isSet('node.id') && brokerId >= 0 && brokerId !== node.id) {
    errors.push(
      `broker.id: ${brokerId} and node.id ${node.id} differ; set them to the same value, or node.id alone`,
    );
  }
  const retentionMs = Number(read.topicText('retention.ms'));
  if (retentionMs === 0)
    errors.push('log.retention.ms: 0 is not a time to keep anything; set at least 1, or -1 for ever');
  if (Number(read.topicText('segment.ms')) < 1) errors.push('log.roll.ms: must be at least 1');
  const minLag = read.number('log.cleaner.min.compaction.lag.ms');
  const maxLag = read.number('log.cleaner.max.compaction.lag.ms');
  if (minLag > maxLag) {
    errors.push(
      `log.cleaner.min.compaction.lag.ms: ${minLag} is more than log.cleaner.max.compaction.lag.ms ` +
        `${maxLag}; set it to at most that`,
    );
  }
  if (log.dirs.length === 0) errors.push('log.dirs: name at least one directory');
  if (replication.fetchWaitMaxMs > replication.lagTimeMaxMs) {
    errors.push(
      `replica.fetch.wait.max.ms: ${replication.fetchWaitMaxMs} is more than replica.lag.time.max.ms ` +
        `${replication.lagTimeMaxMs}, which drops followers from the in-sync replicas; lower it`,
    );
  }
  if (replication.fetchWaitMaxMs > replication.socketTimeoutMs) {
    errors.push(
      `replica.fetch.wait.max.ms: ${replication.fetchWaitMaxMs} is more than replica.socket.timeout.ms ` +
        `${replication.socketTimeoutMs}; set it to at most that`,
    );
  }
  if (network.queuedMaxRequestBytes > 0 && network.queuedMaxRequestBytes < network.socketRequestMaxBytes) {
    errors.push(
      `queued.max.request.bytes: ${network.queuedMaxRequestBytes} is less than one request may have; ` +
        `set it to at least socket.request.max.bytes ${network.socketRequestMaxBytes}, or -1`,
    );
  }
  if (
    network.connectionsMaxIdleMs >= 0 &&
    network.failedAuthenticationDelayMs >= network.connectionsMaxIdleMs
  ) {
    errors.push(
      `connection.failed.authentication.delay.ms: ${network.failedAuthenticationDelayMs} must be less than ` +
        `connections.max.idle.ms ${network.connectionsMaxIdleMs}`,
    );
  }
  if (network.maxConnectionsPerIp === 0 && network.maxConnectionsPerIpOverrides.size === 0) {
    errors.push(
      'max.connections.per.ip: 0 lets nobody connect; raise it, or set max.connections.per.ip.overrides',
    );
  }
  for (const problem of perIpProblems(read)) errors.push(problem);
  for (const type of ['consumer', 'share', 'streams'] as const) checkGroupBounds(type, read, errors);
  if (settings.groups.classic.minSessionTimeoutMs > settings.groups.classic.maxSessionTimeoutMs) {
    errors.push('group.min.session.timeout.ms: must not be more than group.max.session.timeout.ms');
  }
  if (read.boolean('remote.log.storage.system.enable')) {
    warnings.push(
      'remote.log.storage.system.enable: Headrace has no tiered storage, topics cannot turn it on',
    );
  }
}

function checkGroupBounds(
  type: 'consumer' | 'share' | 'streams',
  read: BrokerReader,
  errors: string[],
): void {
  for (const rest of ['session.timeout.ms', 'heartbeat.interval.ms', 'assignment.interval.ms']) {
    const [min, own, max] = [
      `group.${type}.min.${rest}`,
      `group.${type}.${rest}`,
      `group.${type}.max.${rest}`,
    ];
    if (read.number(own!) < read.number(min!)) errors.push(`${own} must be greater than or equal to ${min}`);
    if (read.number(own!) > read.number(max!)) errors.push(`${own} must be less than or equal to ${max}`);
  }
  const [session, heartbeat] = [`group.${type}.session.timeout.ms`, `group.${type}.heartbeat.interval.ms`];
  if (read.number(heartbeat!) >= read.number(session!))
    errors.push(`${heartbeat} must be less than ${session}`);
}

export const PER_IP_OVERRIDE = /^(.+):(\d+)$/;

function perIpProblems(read: BrokerReader): string[] {
  return read
    .string('max.connections.per.ip.overrides')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && !PER_IP_OVERRIDE.test(one))
    .map((one) => `max.connections.per.ip.overrides: ${one} is not of the form address:count`);
}
