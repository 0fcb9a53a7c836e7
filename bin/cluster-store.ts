/** The metadata store that the settings name: etcd, over the real network. */
import { readFileSync } from 'node:fs';
import type { MetadataStore, Ports } from '../src/base/ports.ts';
import { ConfigurationError } from '../src/broker/start-problem.ts';
import { brokerSettings } from '../src/metadata/configs/broker-settings.ts';
import { NO_BROKER_CONFIGS } from '../src/metadata/configs/resolve.ts';
import { openEtcdStore } from '../src/metadata/etcd/etcd-store.ts';
import { EtcdLocationError, parseEtcdLocation, type EtcdLocation } from '../src/metadata/etcd/location.ts';
import { MetadataStoreError } from '../src/metadata/store-error.ts';
import { realGrpcTransport } from '../src/runtime/grpc.ts';
import { startThread } from '../src/runtime/threads.ts';

type Settings = ReadonlyMap<string, string>;

const CONNECT = 'metadata.store.connect';

/** Undefined: the broker is alone. Rejects with ConfigurationError. */
export async function openClusterStore(settings: Settings, ports: Ports): Promise<MetadataStore | undefined> {
  const connect = settings.get(CONNECT)?.trim() ?? '';
  if (connect === '') return undefined;
  const problems = clusterProblems(settings);
  if (problems.length > 0) throw new ConfigurationError(problems);
  // What is wrong with any setting is told before etcd is waited for; warnings are the broker's to log, once.
  const checked = brokerSettings({ ...NO_BROKER_CONFIGS, static: settings });
  if (!checked.ok) throw new ConfigurationError(checked.errors);
  const { replication } = checked.settings;
  const { clock, timers, random, logger } = ports;
  const user = settings.get('metadata.store.user');
  try {
    return await openEtcdStore({
      location: location(connect),
      credentials:
        user === undefined ? undefined : { user, password: settings.get('metadata.store.password') ?? '' },
      tls: {
        ca: pem(settings, 'metadata.store.ca.file'),
        certificate: pem(settings, 'metadata.store.certificate.file'),
        key: pem(settings, 'metadata.store.key.file'),
      },
      transport: realGrpcTransport(),
      clock,
      timers,
      random,
      logger,
      openLimitMs: replication.initialBrokerRegistrationTimeoutMs,
      startLeaseThread: () => startThread(new URL('./lease-thread.ts', import.meta.url)),
    });
  } catch (error) {
    if (!(error instanceof MetadataStoreError)) throw error;
    throw new ConfigurationError([`${CONNECT}: ${error.message}`], { cause: error });
  }
}

/** Two brokers that both take the default number would keep each other out. */
function clusterProblems(settings: Settings): string[] {
  const hasId = settings.has('node.id') || Number(settings.get('broker.id') ?? -1) >= 0;
  if (hasId) return [];
  return ['node.id: must be given to a broker of a cluster, another number to each (--node-id, node.id)'];
}

function location(connect: string): EtcdLocation {
  try {
    return parseEtcdLocation(connect);
  } catch (error) {
    if (!(error instanceof EtcdLocationError)) throw error;
    throw new ConfigurationError([`${CONNECT}: ${error.message}`], { cause: error });
  }
}

function pem(settings: Settings, name: string): string | undefined {
  const path = settings.get(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`${name}: ${path} cannot be read (${reason})`], { cause: error });
  }
}
