/** How the actors of a simulated world ask: of the one broker, or of whichever broker of a cluster it is for. */
import type { Message } from '../../src/protocol/schema.ts';
import type { Wire } from './client.ts';

/** What is sent over a connection that is open. */
export interface Call<Q, QW, P, PW> {
  readonly request: Message<Q, QW>;
  readonly response: Message<P, PW>;
  readonly version: number;
  readonly body: QW;
  readonly timeoutMs?: number;
}

export interface Asking {
  readonly name: string;
  /** Rejects with UnknownOutcome. Requests that are sent in one turn on an open connection leave in their order. */
  request<Q, QW, P, PW>(
    request: Message<Q, QW>,
    response: Message<P, PW>,
    version: number,
    body: QW,
    timeoutMs?: number,
  ): Promise<P>;
  /** To the partition's leader, where there is more than one broker. */
  connect(to: { readonly topic: string; readonly partition: number }): Promise<Wire>;
  /** What is sent is sent before the call returns, so that several sends of one turn keep their order. */
  send<Q, QW, P, PW>(wire: Wire, call: Call<Q, QW, P, PW>): Promise<P>;
  /** What waits for an answer never gets it. */
  disconnect(): void;
}
