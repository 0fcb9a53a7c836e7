/**
 * From a frame to a handler and back to bytes. A request that cannot be read, or whose API or version is not served,
 * ends its connection, as in Kafka, except that ApiVersions in a version to come is answered in version 0 (KIP-511). A
 * handler that throws gives its API's error answer, and the connection goes on.
 */
import type { Logger } from '../base/ports.ts';
import { API_VERSIONS_KEY, type Api } from '../protocol/apis.ts';
import { Errors } from '../protocol/errors.ts';
import { decodeRequest, encodeResponse, peekPrefix, type RequestPrefix } from '../protocol/frame.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { CLOSE, type Answer, type Peer, type RequestSink } from '../rpc/server-connection.ts';
import { authenticateClient } from './authenticate-client.ts';
import { isBroker, type ConnectionState, type RequestContext } from './context.ts';
import { errorResponse, failureOf } from './error-response.ts';
import type { Handler } from './handler.ts';
import type { SaslSession } from './sasl-session.ts';
import type { Services } from './services.ts';

const PRODUCE_KEY = 0;
const SASL_HANDSHAKE_KEY = 17;
const SASL_AUTHENTICATE_KEY = 36;
/** What may be asked before it is known who asks. */
const BEFORE_AUTHENTICATION: ReadonlySet<number> = new Set([
  SASL_HANDSHAKE_KEY,
  API_VERSIONS_KEY,
  SASL_AUTHENTICATE_KEY,
]);
const ENVELOPE_KEY = 58;

type ConnectionPeer = Peer<ConnectionState>;

export class Dispatcher implements RequestSink<ConnectionState> {
  readonly #services: Services;
  readonly #handlers: readonly (Handler | undefined)[];
  readonly #logger: Logger;
  readonly #nowMs: () => number;

  constructor(services: Services, handlers: readonly Handler[]) {
    this.#services = services;
    const byKey: (Handler | undefined)[] = [];
    for (const handler of handlers) byKey[handler.api.key] = handler;
    this.#handlers = byKey;
    this.#logger = services.ports.logger;
    this.#nowMs = () => services.ports.clock.monotonicMs();
  }

  /**
   * Produce requests append in their order whether or not earlier ones are committed, so they need not wait. What another
   * broker passes on is of many clients, each of whom waits for its own answers there.
   */
  mayOverlap(frame: Buffer): boolean {
    const apiKey = frame.length < 2 ? -1 : frame.readInt16BE(0);
    return apiKey === PRODUCE_KEY || apiKey === ENVELOPE_KEY;
  }

  /** Logs write batches before they answer, and copy what they keep. Other handlers may keep what they decoded. */
  isRecyclable(frame: Buffer): boolean {
    return frame.length >= 2 && frame.readInt16BE(0) === PRODUCE_KEY;
  }

  handle(frame: Buffer, peer: ConnectionPeer): Answer | Promise<Answer> {
    const { sasl } = peer.state;
    return sasl === undefined || (sasl.isOpen(this.#nowMs) && !isAboutSasl(frame))
      ? this.#handle(frame, peer)
      : this.#authenticate(frame, peer, sasl);
  }

  /** A request of somebody who may not ask for anything else. One that failed is answered, and ends the connection. */
  async #authenticate(frame: Buffer, peer: ConnectionPeer, sasl: SaslSession): Promise<Answer> {
    let answer: Answer;
    if (sasl.begun?.isBare === true) {
      answer = await bareStep(frame, sasl, {
        context: requestContext(NO_PREFIX, null, peer),
        services: this.#services,
      });
    } else {
      const { apiKey } = peekPrefix(frame);
      if (!BEFORE_AUTHENTICATION.has(apiKey)) throw new ProtocolError(`API ${apiKey} before authentication`);
      answer = await this.#handle(frame, peer);
    }
    if (sasl.hasFailed) peer.end();
    else if (sasl.mechanism !== undefined) {
      peer.frameBytesMax = this.#services.settings().network.socketRequestMaxBytes;
    }
    return answer;
  }

  #handle(frame: Buffer, peer: ConnectionPeer): Answer | Promise<Answer> {
    const prefix = peekPrefix(frame);
    const { apiKey, apiVersion } = prefix;
    const handler = this.#handlers[apiKey];
    if (handler === undefined) throw new ProtocolError(`API ${apiKey} is not served`);
    const { api } = handler;
    if (api.isControllerOnly && !isBroker(peer.state)) {
      throw new ProtocolError(`${api.name} is served to brokers alone`);
    }
    if (apiVersion < api.versionMin || apiVersion > api.versionMax) {
      if (apiKey === API_VERSIONS_KEY) return unsupportedApiVersions(api, prefix.correlationId);
      throw new ProtocolError(`${api.name} has no version ${apiVersion} here`);
    }
    const { clientId, body } = decodeRequest(api, apiVersion, frame);
    const context = requestContext(prefix, clientId, peer);
    const services = this.#services;
    let reply: unknown;
    try {
      reply =
        handler.forwarding === 'whole'
          ? services.forwarding.run({ api, apiVersion, body, origin: context }, () =>
              handler.handle(body, context, services),
            )
          : handler.handle(body, context, services);
    } catch (error) {
      return this.#failed(api, context, body, error);
    }
    if (!(reply instanceof Promise)) return this.#answer(api, context, body, reply);
    return this.#later(reply, api, context, body);
  }

  async #later(reply: Promise<unknown>, api: Api, context: RequestContext, body: unknown): Promise<Answer> {
    try {
      return this.#answer(api, context, body, await reply);
    } catch (error) {
      return this.#failed(api, context, body, error);
    }
  }

  #answer(api: Api, context: RequestContext, body: unknown, reply: unknown): Answer {
    if (reply === undefined || reply === CLOSE) return reply;
    try {
      const parts = encodeResponse(api, context.apiVersion, context.correlationId, reply);
      const { onSent } = context;
      return onSent === undefined ? parts : { parts, onSent };
    } catch (error) {
      return this.#failed(api, context, body, error);
    }
  }

  #failed(api: Api, context: RequestContext, body: unknown, error: unknown): Answer {
    context.onSent?.();
    const failure = failureOf(error);
    const { apiVersion, correlationId, clientId, connectionId } = context;
    const fields = { api: api.name, apiVersion, correlationId, clientId, connection: connectionId, error };
    if (failure.code === Errors.UNKNOWN_SERVER_ERROR) this.#logger.error(fields, 'request failed');
    else this.#logger.debug(fields, 'request refused');
    try {
      const response = errorResponse(api, apiVersion, body, failure);
      return encodeResponse(api, apiVersion, correlationId, response);
    } catch (encodeError) {
      this.#logger.error({ ...fields, error: encodeError }, 'request failed and cannot be answered');
      return CLOSE;
    }
  }
}

/** Also from somebody who is known already: who shows itself again. */
function isAboutSasl(frame: Buffer): boolean {
  const apiKey = frame.length >= 2 ? frame.readInt16BE(0) : -1;
  return apiKey === SASL_HANDSHAKE_KEY || apiKey === SASL_AUTHENTICATE_KEY;
}

/** A request without a header: nothing but the mechanism's message, and so is the answer. */
async function bareStep(
  authBytes: Buffer,
  sasl: SaslSession,
  asked: { readonly context: RequestContext; readonly services: Services },
): Promise<Answer> {
  const answer = await authenticateClient(sasl, { authBytes, ...asked });
  if (answer.errorCode !== Errors.NONE) return CLOSE;
  const size = Buffer.alloc(4);
  size.writeInt32BE(answer.authBytes.length);
  return [size, answer.authBytes];
}

const NO_PREFIX: RequestPrefix = { apiKey: SASL_AUTHENTICATE_KEY, apiVersion: 0, correlationId: 0 };

function requestContext(
  prefix: RequestPrefix,
  clientId: string | null,
  peer: ConnectionPeer,
): RequestContext {
  const { state } = peer;
  return {
    apiKey: prefix.apiKey,
    apiVersion: prefix.apiVersion,
    correlationId: prefix.correlationId,
    clientId,
    listener: state.listener,
    principal: state.principal,
    clientHost: peer.host,
    clientSoftware: state.clientSoftware,
    connectionId: peer.id,
    connection: state,
    forwardedBy: undefined,
    onSent: undefined,
    onDisconnect: (callback) => peer.onGone(callback),
  };
}

/** The client learns from it which versions there are, and asks again (KIP-511). */
function unsupportedApiVersions(api: Api, correlationId: number): Answer {
  const range = { apiKey: api.key, minVersion: api.versionMin, maxVersion: api.versionMax };
  return encodeResponse(api, 0, correlationId, {
    errorCode: Errors.UNSUPPORTED_VERSION,
    apiKeys: [range],
    throttleTimeMs: 0,
  });
}
