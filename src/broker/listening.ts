/** Where the broker listens: what is permitted, within which limits, and what clients are told. */
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { Endpoint } from '../metadata/image.ts';
import { SERVER_LIMITS, type Server, type ServerLimits } from '../rpc/server.ts';
import { ALLOW_INSECURE_LISTENERS, permitListeners, type PermittedListener } from '../security/listeners.ts';
import { ANONYMOUS, UNKNOWN_SOFTWARE, type ConnectionState } from './context.ts';
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
  const { listeners, errors } = permitListeners(settings.listeners.listeners, { allowInsecure });
  if (errors.length > 0) throw new ConfigurationError(errors);
  return listeners;
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

export async function listen(
  server: Server<ConnectionState>,
  listeners: readonly PermittedListener[],
  settings: BrokerSettings,
): Promise<ListenerAddress[]> {
  const addresses: ListenerAddress[] = [];
  for (const { name, host, port } of listeners) {
    const options = { host, port, backlog: settings.network.socketListenBacklogSize };
    const bound = await server.listen(options, () => ({
      listener: name,
      principal: ANONYMOUS,
      clientSoftware: UNKNOWN_SOFTWARE,
      fetchTurns: 0,
    }));
    addresses.push({ listener: name, host, port: bound.port });
  }
  return addresses;
}

/** What clients are told: the configured addresses, with the port that a listener on port 0 got. */
export function advertised(addresses: readonly ListenerAddress[], settings: BrokerSettings): Endpoint[] {
  return addresses.map(({ listener, host, port }) => {
    const wanted = settings.listeners.advertisedListeners.find(({ name }) => name === listener);
    const securityProtocol = wanted?.securityProtocol ?? 'PLAINTEXT';
    return {
      listener,
      host: wanted === undefined || wanted.host === '' ? host : wanted.host,
      port: wanted === undefined || wanted.port === 0 ? port : wanted.port,
      securityProtocol,
    };
  });
}
