/** Who asks, and how: what a handler knows of a request besides its body. */

export interface Principal {
  readonly type: string;
  readonly name: string;
}

/** Everyone on a listener without authentication. */
export const ANONYMOUS: Principal = { type: 'User', name: 'ANONYMOUS' };

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
  readonly clientSoftware: { readonly name: string; readonly version: string };
  /** Identifies the connection within this process. */
  readonly connectionId: string;
}
