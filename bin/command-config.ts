/** `--command-config`: how a command connects and who it is, in a file with the settings of Kafka's clients. */
import { readFileSync } from 'node:fs';
import type { ClientPorts, ConnectionOptions } from '../src/client/options.ts';
import { loadSettingsText } from '../src/metadata/configs/load.ts';
import { parseClientLogin } from '../src/security/sasl/login-settings.ts';
import { readClientTls } from '../src/security/tls-settings.ts';

const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

export interface CommandConfig {
  readonly ports: ClientPorts;
  readonly options: Pick<ConnectionOptions, 'sasl'>;
}

/** Without a file: in the clear, as nobody. Throws an Error that names the setting. */
export function readCommandConfig(path: string | undefined, ports: ClientPorts): CommandConfig {
  if (path === undefined) return { ports, options: {} };
  const { settings, errors } = loadSettingsText(readFileSync(path, 'utf8'));
  const protocol = settings.get('security.protocol') ?? 'PLAINTEXT';
  const problems = [...errors];
  if (!PROTOCOLS.includes(protocol)) problems.push(`security.protocol: choose from ${PROTOCOLS.join(', ')}`);
  const client = readClientTls(settings, (file) => readFileSync(file, 'utf8'));
  const hasTls = protocol.endsWith('SSL');
  if (hasTls) problems.push(...client.problems);
  const login = protocol.startsWith('SASL_') ? readLogin(settings, problems) : undefined;
  if (problems.length > 0) throw new Error(problems.map((one) => `--command-config: ${one}`).join('\n'));
  const { network } = ports;
  return {
    ports: hasTls
      ? { ...ports, network: { connect: (host, port) => network.connect(host, port, client.tls) } }
      : ports,
    options: login === undefined ? {} : { sasl: login },
  };
}

function readLogin(settings: ReadonlyMap<string, string>, problems: string[]): ConnectionOptions['sasl'] {
  const mechanism = MECHANISMS.find((one) => one === settings.get('sasl.mechanism'));
  const login = parseClientLogin(settings.get('sasl.jaas.config') ?? '');
  if (mechanism === undefined) problems.push(`sasl.mechanism: choose from ${MECHANISMS.join(', ')}`);
  if (!login.ok) problems.push(`sasl.jaas.config: ${login.message}`);
  if (mechanism === undefined || !login.ok) return undefined;
  const { username, password } = login;
  return mechanism === 'PLAIN' ? { mechanism, username, password } : { mechanism, username, password };
}
