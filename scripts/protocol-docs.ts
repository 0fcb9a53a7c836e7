/**
 * Writes docs/protocol-support.md: which of Kafka's APIs and versions Headrace speaks, from the schemas, their head
 * comments and the table of handlers. `node scripts/protocol-docs.ts`; a conformance test says when it has to run again.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { advertisedRanges } from '../src/broker/api-versions.ts';
import { APIS, type Api } from '../src/protocol/apis.ts';
import { ends } from '../src/protocol/schema.ts';

const ROOT = join(import.meta.dirname, '..');
export const PROTOCOL_SUPPORT = join(ROOT, 'docs', 'protocol-support.md');

const range = (min: number, max: number): string => (min === max ? String(min) : `${min}-${max}`);

/** The first paragraph of a message file's head comment, without the name and key that it begins with. */
function purposes(): Map<number, string> {
  const found = new Map<number, string>();
  for (const file of globSync(join(ROOT, 'src/protocol/messages/[0-9]*.ts'))) {
    const [, comment] = /^\/\*\*([^]*?)\*\//.exec(readFileSync(file, 'utf8'))!;
    const [paragraph] = comment.split(/\n \*\n/);
    const text = paragraph.replaceAll(/\s*\n \* /g, ' ').trim();
    const [, key, purpose] = /^\w+ \(key (\d+)\)\. ([^]*)$/.exec(text)!;
    found.set(Number(key), purpose.trim());
  }
  return found;
}

/** The APIs in the broker's table of handlers; read as text, since loading it means loading the broker. */
function handled(): Api[] {
  const table = readFileSync(join(ROOT, 'src/broker/handlers.ts'), 'utf8');
  const keys = new Set([...table.matchAll(/from '\.\/handlers\/(\d+)-/g)].map(([, key]) => Number(key)));
  return APIS.filter(({ key }) => keys.has(key));
}

function flexibleFrom({ request }: Api): string {
  if (request.flexible === 'none') return 'none';
  return String(Math.max(ends(request.flexible).min, ends(request.versions).min));
}

/** The page as it should be. */
export function protocolSupport(): string {
  const purposeOf = purposes();
  const advertised = new Map(advertisedRanges(handled()).map((one) => [one.apiKey, one]));
  const row = (api: Api): string => {
    const served = advertised.get(api.key);
    const cells = [
      api.key,
      api.name,
      range(api.versionMin, api.versionMax),
      flexibleFrom(api),
      served === undefined ? 'no' : range(served.minVersion, served.maxVersion),
      purposeOf.get(api.key)!.replaceAll('|', '\\|'),
    ];
    return `| ${cells.join(' | ')} |`;
  };
  const table = (apis: readonly Api[]): string =>
    [
      '| key | API | versions | flexible from | advertised | purpose |',
      '|---|---|---|---|---|---|',
      ...apis.map(row),
    ].join('\n');
  const forClients = APIS.filter((api) => !api.isControllerOnly);
  return `# Protocol support

Headrace speaks Kafka's wire protocol as of Apache Kafka 4.4.0. "Versions" are those that Kafka 4.4.0 has and our codecs
read and write, every one compared with Kafka's own definitions and classes; "advertised" are those that a client is
offered by ApiVersions. Written by \`scripts/protocol-docs.ts\`; do not edit by hand.

## For clients and brokers

${forClients.length} APIs, ${forClients.filter((api) => advertised.has(api.key)).length} of them advertised.

${table(forClients)}

Produce is advertised from version 0, though the oldest that is served is 3: librdkafka switches codecs off otherwise
(KAFKA-18659). Version 6 of InitProducerId (KIP-939) is unstable in Kafka 4.4.0 and not offered.

## For Kafka's controllers only

Headrace keeps its metadata in etcd or in a file of its own, so no client is offered these.

${table(APIS.filter((api) => api.isControllerOnly))}
`;
}

if (import.meta.main) writeFileSync(PROTOCOL_SUPPORT, protocolSupport());
