/** Where the broker listens: what is permitted, within which limits, and what clients are told. */
import { TlsError, type Connection, type Timers } from '../base/ports.ts';
import { listenerConfigText } from '../metadata/configs/broker-reader.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { ListenerAddress as RequestedAddress } from '../metadata/configs/listeners.ts';
import { NO_BROKER_CONFIGS, type BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { Endpoint } from '../metadata/image.ts';
import { REFUSED, SERVER_LIMITS, type Server, type ServerHooks, type ServerLimits } from '../rpc/server.ts';
import {
  ALLOW_INSECURE_LISTENERS,
  isEveryAddress,
  permitListeners,
  type PermittedListener,
} from '../security/listeners.ts';
import { AuthenticationLimits, UNAUTHENTICATED_FRAME_BYTES_MAX } from './authentication-limits.ts';
import { UNKNOWN_SOFTWARE, type ConnectionState } from './context.ts';
import { checkSasl } from './listener-sasl.ts';
import type { ListenerTlsKeeper } from './listener-tls.ts';
import { SaslSession } from './sasl-session.ts';
import { ConfigurationError } from './start-problem.ts';

/** Kafka's default, which means "no limit": ours applies instead. */
const UNLIMITED = 2 ** 31 - 1;

export interface ListenerAddress {
  readonly listener: string;
  readonly host: string;
  readonly port: number;
}

/** Throws ConfigurationError. */
export function checkListeners(
  settings: BrokerSettings,
  statics: ReadonlyMap<string, string>,
): readonly PermittedListener[] {
  const allowInsecure = statics.get(ALLOW_INSECURE_LISTENERS)?.trim().toLowerCase() === 'true';
  const sources = { ...NO_BROKER_CONFIGS, static: statics };
  const requested = settings.listeners.listeners.map((one) => ({
    ...one,
    authenticates: authenticates(one, sources),
  }));
  const { listeners, errors } = permitListeners(requested, { allowInsecure });
  const problems = [...errors, ...listeners.flatMap((one) => advertisingProblem(one, settings))];
  if (problems.length > 0) throw new ConfigurationError(problems);
  const { interBrokerListenerName: interBrokerListener } = settings.listeners;
  checkSasl(listeners, sources, { allowInsecure, interBrokerListener });
  return listeners;
}

/** Who asks for access rules must not believe that there are any. Throws ConfigurationError. */
export function checkNoAuthorizer({ security }: BrokerSettings): void {
  if (security.authorizerClassName === '') return;
  const what = 'this release has no access rules: whoever is let in may do everything; leave the setting out';
  throw new ConfigurationError([`authorizer.class.name: ${what}`]);
}

/** Whether nobody comes in without having shown who it is. */
function authenticates({ name, securityProtocol }: RequestedAddress, sources: BrokerConfigSources): boolean {
  if (securityProtocol.startsWith('SASL_')) return true;
  return securityProtocol === 'SSL' && listenerConfigText('ssl.client.auth', name, sources) === 'required';
}

function advertisingProblem({ name, host }: PermittedListener, { listeners }: BrokerSettings): string[] {
  const told = listeners.advertisedListeners.find((one) => one.name === name);
  // What a listener without an entry of its own tells is where it listens.
  if (told === undefined || told.host !== '' || !isEveryAddress(host)) return [];
  return [
    `advertised.listeners: must say by which host others reach ${name}, as it listens on every address`,
  ];
}

export function serverLimits(settings: BrokerSettings, own: Partial<ServerLimits> = {}): ServerLimits {
  const { network } = settings;
  return {
    ...SERVER_LIMITS,
    frameBytesMax: network.socketRequestMaxBytes,
    idleMsMax: network.connectionsMaxIdleMs,
    ...(network.maxConnections === UNLIMITED ? undefined : { connectionsMax: network.maxConnections }),
    ...(network.maxConnectionsPerIp === UNLIMITED
      ? undefined
      : {
          connectionsPerHostMax: network.maxConnectionsPerIp,
          connectionsPerHostOverrides: network.maxConnectionsPerIpOverrides,
        }),
    ...own,
  };
}

export interface ListenOptions {
  readonly server: Server<ConnectionState>;
  readonly listeners: readonly PermittedListener[];
  readonly settings: BrokerSettings;
  readonly tls: ListenerTlsKeeper;
  readonly timers: Timers;
}

/** What differs for connections that have not said who they are. */
export const CONNECTION_HOOKS: ServerHooks<ConnectionState> = {
  frameBytesMaxOf: ({ sasl }) => (sasl === undefined ? undefined : UNAUTHENTICATED_FRAME_BYTES_MAX),
  onGone: ({ sasl }) => sasl?.gone(),
};

/** Throws ConfigurationError. */
export async function listen({
  server,
  listeners,
  settings,
  tls,
  timers,
}: ListenOptions): Promise<ListenerAddress[]> {
  const addresses: ListenerAddress[] = [];
  const limits = new AuthenticationLimits(timers);
  for (const { name, host, port, securityProtocol } of listeners) {
    const hasSasl = securityProtocol.startsWith('SASL_');
    const options = {
      host,
      port,
      backlog: settings.network.socketListenBacklogSize,
      ...tls.optionsFor(name),
    };
    const stateOf = (connection: Connection): ConnectionState | typeof REFUSED => {
      const principal = tls.principalOf(name, connection);
      if (principal === undefined) return REFUSED;
      const { sendsRegions } = connection;
      const clientSoftware = UNKNOWN_SOFTWARE;
      const state = { listener: name, principal, clientSoftware, fetchTurns: 0, sendsRegions };
      if (!hasSasl) return state;
      const entrance = limits.enter(connection);
      return entrance === undefined ? REFUSED : { ...state, sasl: new SaslSession(entrance) };
    };
    const bound = await server.listen(options, stateOf).catch((error: unknown) => {
      throw tlsProblem(name, error);
    });
    tls.bound(name, bound);
    addresses.push({ listener: name, host, port: bound.port });
  }
  return addresses;
}

function tlsProblem(listener: string, error: unknown): unknown {
  if (!(error instanceof TlsError)) return error;
  const what = `ssl.keystore and ssl.truststore (listener ${listener}): they cannot be used: ${error.message}`;
  return new ConfigurationError([what], { cause: error });
}

/** What clients are told: the configured addresses, with the port that a listener on port 0 got. */
export function advertised(addresses: readonly ListenerAddress[], settings: BrokerSettings): Endpoint[] {
  const { advertisedListeners, listeners } = settings.listeners;
  return addresses.map(({ listener, host, port }) => {
    const wanted = advertisedListeners.find(({ name }) => name === listener);
    const securityProtocol = listeners.find(({ name }) => name === listener)!.securityProtocol;
    return {
      listener,
      host: wanted === undefined || wanted.host === '' ? host : wanted.host,
      port: wanted === undefined || wanted.port === 0 ? port : wanted.port,
      securityProtocol,
    };
  });
}
