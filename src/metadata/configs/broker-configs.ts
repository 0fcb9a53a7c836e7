/**
 * All broker configurations: Kafka's 379, the three that Kafka knows as dynamic configurations only, the two
 * its authorizer reads, and Headrace's own: `durability`, listeners without authentication, the metadata store.
 */
import { LOG_CONFIGS } from './broker-log-configs.ts';
import { NETWORK_CONFIGS } from './broker-network-configs.ts';
import { GROUP_COORDINATOR_CONFIGS } from './broker-group-configs.ts';
import { SHARE_CONFIGS } from './broker-share-configs.ts';
import { STORE_CONFIGS } from './broker-store-configs.ts';
import { STREAMS_CONFIGS } from './broker-streams-configs.ts';
import { TRANSACTION_CONFIGS } from './broker-transaction-configs.ts';
import { REPLICATION_CONFIGS } from './broker-replication-configs.ts';
import { SECURITY_CONFIGS } from './broker-security-configs.ts';
import { TLS_CONFIGS } from './broker-tls-configs.ts';
import { UNSUPPORTED_CONFIGS } from './broker-unsupported-configs.ts';
import { catalogue } from './definition.ts';
import type { Catalogue, ConfigDefinition } from './definition.ts';

export const BROKER_CONFIGS: Catalogue = catalogue(
  LOG_CONFIGS,
  NETWORK_CONFIGS,
  GROUP_COORDINATOR_CONFIGS,
  SHARE_CONFIGS,
  STREAMS_CONFIGS,
  TRANSACTION_CONFIGS,
  REPLICATION_CONFIGS,
  SECURITY_CONFIGS,
  TLS_CONFIGS,
  UNSUPPORTED_CONFIGS,
  STORE_CONFIGS,
);

/**
 * `listener.name.<listener>.<config>` and `listener.name.<listener>.<mechanism>.<config>` (KIP-103, KIP-226).
 */
const LISTENER_CONFIG = /^listener\.name\.[^.]+\.(.+)$/;

/** What comes after the listener's name; undefined when `name` is not about one listener. */
export function listenerConfigName(name: string): string | undefined {
  const rest = LISTENER_CONFIG.exec(name)?.[1];
  if (rest === undefined) return undefined;
  return LISTENER_MECHANISM_CONFIGS.find((mechanismConfig) => rest.endsWith(mechanismConfig)) ?? rest;
}

/** The configurations that may also be given for one mechanism of a listener. */
const LISTENER_MECHANISM_CONFIGS: readonly string[] = [
  'sasl.jaas.config',
  'sasl.login.callback.handler.class',
  'sasl.login.class',
  'sasl.server.callback.handler.class',
  'connections.max.reauth.ms',
];

/** The definition behind a broker configuration's name, also when the name begins with a listener. */
export function brokerDefinition(name: string): ConfigDefinition | undefined {
  const known = BROKER_CONFIGS.get(name);
  if (known !== undefined) return known;
  const base = listenerConfigName(name);
  return base === undefined ? undefined : BROKER_CONFIGS.get(base);
}
