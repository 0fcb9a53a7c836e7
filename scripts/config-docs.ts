/**
 * Writes docs/configuration.md: every setting of a broker, a topic and a group that has an effect, from the catalogues.
 * `node scripts/config-docs.ts`; test/config-docs.test.ts says when it has to run again.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BROKER_CONFIGS } from '../src/metadata/configs/broker-configs.ts';
import type { ConfigDefinition } from '../src/metadata/configs/definition.ts';
import { GROUP_CONFIGS } from '../src/metadata/configs/group-configs.ts';
import { TOPIC_CONFIGS } from '../src/metadata/configs/topic-configs.ts';

export const CONFIGURATION = join(import.meta.dirname, '..', 'docs', 'configuration.md');

type Catalogue = ReadonlyMap<string, ConfigDefinition>;

function shownDefault({ default: value, type }: ConfigDefinition): string {
  if (value === null) return '';
  if (value === '') return '(empty)';
  // The largest int64 and int32 stand for "no limit" wherever Kafka uses them as a default.
  if (value === '9223372036854775807' || (type === 'INT' && value === '2147483647')) return 'no limit';
  return `\`${value}\``;
}

function table(catalogue: Catalogue, options: { readonly withUpdates: boolean }): string {
  const shown = [...catalogue.values()].filter(({ inert, internal }) => !inert && !internal);
  shown.sort((a, b) => (a.name < b.name ? -1 : 1));
  const updates = options.withUpdates ? [' changes while running |', '---|'] : ['', ''];
  const row = (one: ConfigDefinition): string => {
    const dynamic = one.dynamic === 'read-only' ? 'no' : one.dynamic;
    const words = one.documentation.replaceAll('|', '\\|');
    const update = options.withUpdates ? ` ${dynamic} |` : '';
    return `| \`${one.name}\` | ${one.type.toLowerCase()} | ${shownDefault(one)} |${update} ${words} |`;
  };
  const head = `| name | type | default |${updates[0]} meaning |\n|---|---|---|${updates[1]}---|`;
  return [head, ...shown.map(row)].join('\n');
}

function inertCount(catalogue: Catalogue): number {
  return [...catalogue.values()].filter(({ inert }) => inert).length;
}

/** The page as it should be. */
export function configuration(): string {
  const inert = inertCount(BROKER_CONFIGS) + inertCount(TOPIC_CONFIGS) + inertCount(GROUP_CONFIGS);
  return `# Configuration

Names, units and defaults are Kafka's. A broker reads its settings, later ones first: \`--set name=value\`, \`--port\`,
\`--data\`, \`--cluster\` (\`metadata.store.connect\`) and \`--node-id\`, environment variables
(\`HEADRACE_LOG_RETENTION_HOURS=24\` is \`log.retention.hours\`), the file of \`--config\` in Kafka's .properties form, the
defaults. An unknown name is a warning with the nearest known one; a wrong value stops the start with the setting's name and
what to write instead. Settings of topics and groups, and of brokers where the table says so, change at run time with any
Kafka admin client.

${inert} more settings of Kafka's are accepted, stored and described, so that files and tools made for Kafka work, and have no
effect here; DescribeConfigs says so in their documentation. Settings of parts that are still being built (authentication, ACLs,
quotas, transactions, compaction, replication, the newer group protocols) are listed already and take effect with those parts;
docs/protocol-support.md says which APIs are served today. Written by \`scripts/config-docs.ts\`; do not edit by hand.

## Broker

${table(BROKER_CONFIGS, { withUpdates: true })}

## Topic

A topic without a value of its own takes the broker's.

${table(TOPIC_CONFIGS, { withUpdates: false })}

## Group

${table(GROUP_CONFIGS, { withUpdates: false })}
`;
}

if (import.meta.main) writeFileSync(CONFIGURATION, configuration());
