/** The shape of a handler: one file of `handlers/` for each API, named by its key, exports one of these. */
import { apiOf, type Api } from '../protocol/apis.ts';
import type { Message } from '../protocol/schema.ts';
import { assert } from '../base/assert.ts';
import type { CLOSE } from '../rpc/server-connection.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

/** What may stand in a response's place: nothing is sent (Produce with acks=0), or the connection is closed. */
type NoResponse = undefined | typeof CLOSE;

export type Reply<W> = W | NoResponse | Promise<W | NoResponse>;

export interface Handler {
  readonly api: Api;
  /**
   * What the controller decides, wherever the request arrives: all of it, or a part that the handler passes on by itself.
   * Undefined: it is handled here.
   */
  readonly forwarding?: 'whole' | 'part';
  handle(request: unknown, context: RequestContext, services: Services): Reply<unknown>;
}

/**
 * Ties a function to an API, with the types of its messages. What the function throws becomes the API's
 * UNKNOWN_SERVER_ERROR (or the code of a KafkaError) in the dispatcher; expected failures are error codes in the answer.
 */
export function handler<Q, QW, PR, P>(
  request: Message<Q, QW>,
  response: Message<PR, P>,
  handle: (request: Q, context: RequestContext, services: Services) => Reply<P>,
): Handler {
  const api = apiOf(request.key);
  assert(
    api !== undefined && api.response === response,
    `${request.name} and ${response.name} belong together`,
  );
  return { api, handle: (body, context, services) => handle(body as Q, context, services) };
}
