/** Who asks, and how: what a handler knows of a request besides its body. */
import type { SaslSession } from './sasl-session.ts';
import { BROKER_PRINCIPAL_TYPE, type PendingBroker } from '../security/broker-identity.ts';

export interface Principal {
  readonly type: string;
  readonly name: string;
}

/** Everyone on a listener without authentication. */
export const ANONYMOUS: Principal = { type: 'User', name: 'ANONYMOUS' };

export interface ClientSoftware {
  readonly name: string;
  readonly version: string;
}

/** Whether another broker of this cluster asks. No client can have such a principal. */
export function isBroker({ principal }: { readonly principal: Principal }): boolean {
  return principal.type === BROKER_PRINCIPAL_TYPE;
}

/** What Kafka calls a client that never said what it is. */
export const UNKNOWN_SOFTWARE: ClientSoftware = { name: 'unknown', version: 'unknown' };

/** What belongs to a connection rather than to a request; ApiVersions and authentication change it. */
export interface ConnectionState {
  readonly listener: string;
  principal: Principal;
  clientSoftware: ClientSoftware;
  /** On a listener with SASL: who has not come through it may do nothing else. */
  readonly sasl?: SaslSession | undefined;
  /** The next step in which the other side shows that it is a broker; undefined: it has not begun, or has ended. */
  brokerExchange?: 'hello' | PendingBroker | undefined;
  /** Counts Fetch requests without a session: partitions take turns in being read first. */
  fetchTurns: number;
  /** Whether what is fetched may leave as regions of files. */
  readonly sendsRegions: boolean;
  /** Set while a Produce request waits to be appended: those behind it come after. */
  appending?: Promise<void> | undefined;
}

export interface RequestContext {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** The listener's name, for example PLAINTEXT: endpoints in answers are those of the same listener. */
  readonly listener: string;
  readonly principal: Principal;
  /** The peer's address as text, as DescribeGroups shows it. */
  readonly clientHost: string;
  /** KIP-511: set by the connection's ApiVersions request. */
  readonly clientSoftware: ClientSoftware;
  /** Identifies the connection within this process. */
  readonly connectionId: string;
  /** For the handlers that change it. */
  readonly connection: ConnectionState;
  /** The broker that passed the request on; undefined: it came from whoever asks. */
  readonly forwardedBy: number | undefined;
  /** Set by a handler whose answer holds something that is used again once the answer has left. */
  onSent: (() => void) | undefined;
  /** Calls back when the connection has gone, at once if it has; returns a way to forget about it. */
  onDisconnect(callback: () => void): () => void;
}
