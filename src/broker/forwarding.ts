/**
 * Requests that change the cluster are decided by the controller, but may be sent to any broker: one that is not the
 * controller passes them on in an Envelope (KIP-590), and gives the controller's answer as its own once it has in its own
 * image what was decided. While the controller changes, or cannot be reached, a request waits, for a while.
 */
import type { Clock, Random, Timers } from '../base/ports.ts';
import { randomUuid, ZERO_UUID } from '../base/uuid.ts';
import type { Controller } from '../metadata/controller.ts';
import type { ClusterImage } from '../metadata/image.ts';
import type { Api } from '../protocol/apis.ts';
import { Errors, errorName, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeWholeResponse,
  peekPrefix,
} from '../protocol/frame.ts';
import { EnvelopeRequest, EnvelopeResponse } from '../protocol/messages/58-envelope.ts';
import { ProtocolError } from '../protocol/wire.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import { CLOSE } from '../rpc/server-connection.ts';
import { AnsweredEnvelopes } from './answered-envelopes.ts';
import type { RequestContext } from './context.ts';
import {
  decodeAsker,
  decodeControllerAnswer,
  encodeAsker,
  encodeControllerAnswer,
  type Origin,
} from './envelope.ts';
import { errorResponse, failureOf } from './error-response.ts';
import type { Handler } from './handler.ts';
import type { Services } from './services.ts';

/** Between two attempts, unless the controller changes before. */
export const RETRY_BACKOFF_MS = 100;
/** Connections to the controller: answers come in order on each, and a slow decision must not hold up everybody's. */
const LANES = 4;
const SIZE_BYTES = 4;

export interface ForwardingOptions {
  readonly image: ClusterImage;
  readonly controller: Pick<Controller, 'isActive'>;
  readonly peers: Peers;
  readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly random: Random };
  readonly nodeId: number;
  readonly handlers: readonly Handler[];
  /** The longest that a request is tried for. */
  readonly timeoutMsMax: () => number;
}

/** A request as it would be sent to the controller. */
export interface Forwarded {
  readonly api: Api;
  readonly apiVersion: number;
  readonly body: unknown;
  readonly origin: Origin;
}

/** What was in an envelope. */
interface Opened {
  readonly handler: Handler;
  readonly body: unknown;
  /** As if it had come here. */
  readonly inner: RequestContext;
  readonly requestId: string;
}

export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #handlers: ReadonlyMap<number, Handler>;
  readonly #answered = new AnsweredEnvelopes();
  /** Requests without an answer, by lane. */
  readonly #underWay = new Array<number>(LANES).fill(0);
  #isStopped = false;

  constructor(options: ForwardingOptions) {
    this.#options = options;
    const forwarded = options.handlers.filter(({ forwarding }) => forwarding !== undefined);
    this.#handlers = new Map(forwarded.map((one) => [one.api.key, one]));
  }

  /**
   * The controller's answer: that of `local` if this broker decides, or of the broker that does. Rejects with a KafkaError:
   * REQUEST_TIMED_OUT when no controller could be asked in time.
   */
  async run(request: Forwarded, local: () => unknown): Promise<unknown> {
    if (request.origin.forwardedBy !== undefined) return local();
    const { clock } = this.#options.ports;
    const untilMs = clock.monotonicMs() + this.#timeoutMs(request.body);
    const requestId = randomUuid(this.#options.ports.random);
    for (;;) {
      const { controller, image, nodeId } = this.#options;
      const { controllerEpoch, controllerId } = image;
      const isElsewhere = controllerId >= 0 && controllerId !== nodeId;
      const reply = controller.isActive
        ? await hereOrNowhere(local)
        : isElsewhere
          ? await this.#ask(controllerId, { ...request, requestId }, untilMs)
          : NOBODY;
      if (reply !== NOBODY) return reply;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0 || this.#isStopped)
        throw new KafkaError(Errors.REQUEST_TIMED_OUT, 'no controller could be asked in time');
      await this.#controllerChange(controllerEpoch, Math.min(leftMs, RETRY_BACKOFF_MS));
    }
  }

  /** Requests that no controller could be asked about so far are given up. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The controller's side: carries out what is in an envelope of another broker. */
  async serve(
    envelope: EnvelopeRequest,
    context: RequestContext,
    services: Services,
  ): Promise<EnvelopeResponse> {
    if (!this.#options.controller.isActive) return failed(Errors.NOT_CONTROLLER);
    let opened: Opened | undefined;
    try {
      opened = this.#open(envelope, context);
    } catch (error) {
      if (error instanceof ProtocolError) return failed(Errors.INVALID_REQUEST);
      throw error;
    }
    if (opened === undefined) return failed(Errors.UNSUPPORTED_VERSION);
    const request = opened;
    const { requestId } = request;
    const carryOut = () => this.#carryOut(request, services);
    if (requestId === ZERO_UUID) return carryOut();
    return this.#answered.answer(
      `${context.principal.name} ${requestId}`,
      carryOut,
      ({ errorCode }) => errorCode === Errors.NOT_CONTROLLER,
    );
  }

  async #carryOut({ handler, body, inner }: Opened, services: Services): Promise<EnvelopeResponse> {
    const { image } = this.#options;
    const { api } = handler;
    let reply: unknown;
    try {
      reply = await handler.handle(body, inner, services);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code === Errors.NOT_CONTROLLER) return failed(Errors.NOT_CONTROLLER);
      if (failure.code === Errors.UNKNOWN_SERVER_ERROR) {
        services.ports.logger.error(
          { api: api.name, forwardedBy: inner.forwardedBy, error },
          'request failed',
        );
      }
      reply = errorResponse(api, inner.apiVersion, body, failure);
    }
    if (reply === undefined || reply === CLOSE) return failed(Errors.UNKNOWN_SERVER_ERROR);
    if (says(reply, Errors.NOT_CONTROLLER)) return failed(Errors.NOT_CONTROLLER);
    const frame = encodeWholeResponse(api, inner.apiVersion, inner.correlationId, reply);
    const response = frame.subarray(SIZE_BYTES);
    const responseData = encodeControllerAnswer({ revision: image.revision, response });
    return { responseData, errorCode: Errors.NONE };
  }

  /** Undefined: a request that this release does not take from others. Throws ProtocolError. */
  #open(
    { requestData, requestPrincipal, clientHostAddress }: EnvelopeRequest,
    context: RequestContext,
  ): Opened | undefined {
    const { apiKey, apiVersion, correlationId } = peekPrefix(requestData);
    const handler = this.#handlers.get(apiKey);
    if (handler === undefined) return undefined;
    const { api } = handler;
    if (apiVersion < api.versionMin || apiVersion > api.versionMax) return undefined;
    if (requestPrincipal === null) throw new ProtocolError('an envelope from nobody');
    const { clientId, body } = decodeRequest(api, apiVersion, requestData);
    const { requestId, ...asker } = decodeAsker(requestPrincipal);
    const inner: RequestContext = {
      ...context,
      ...asker,
      apiKey,
      apiVersion,
      correlationId,
      clientId,
      clientHost: clientHostAddress.toString('utf8'),
      forwardedBy: Number(context.principal.name),
    };
    return { handler, body, inner, requestId };
  }

  #timeoutMs(body: unknown): number {
    const max = this.#options.timeoutMsMax();
    const { timeoutMs } = body as { readonly timeoutMs?: unknown };
    return typeof timeoutMs === 'number' && timeoutMs > 0 ? Math.min(timeoutMs, max) : max;
  }

  async #ask(
    controllerId: number,
    request: Forwarded & { readonly requestId: string },
    untilMs: number,
  ): Promise<unknown> {
    const { peers, ports } = this.#options;
    const { api, apiVersion, body, origin, requestId } = request;
    const frame = encodeRequest(api, {
      version: apiVersion,
      correlationId: 0,
      clientId: origin.clientId,
      body,
    });
    let answer: EnvelopeResponse;
    const lane = this.#lane();
    this.#underWay[lane] += 1;
    try {
      answer = await peers.request(controllerId, {
        request: EnvelopeRequest,
        response: EnvelopeResponse,
        body: {
          requestData: Buffer.concat(frame).subarray(SIZE_BYTES),
          requestPrincipal: encodeAsker(origin, requestId),
          clientHostAddress: Buffer.from(origin.clientHost, 'utf8'),
        },
        timeoutMs: Math.max(0, untilMs - ports.clock.monotonicMs()),
        lane: `controller ${lane}`,
      });
    } catch (error) {
      // It may have been carried out: the same controller will answer the same (answered-envelopes.ts).
      if (error instanceof PeerUnavailable) return NOBODY;
      throw error;
    } finally {
      this.#underWay[lane] -= 1;
    }
    const { errorCode, responseData } = answer;
    if (errorCode === Errors.NOT_CONTROLLER) return NOBODY;
    if (errorCode !== Errors.NONE || responseData === null) {
      throw new KafkaError(
        errorCode as ErrorCode,
        `the controller refused the request: ${errorName(errorCode)}`,
      );
    }
    const { revision, response } = decodeControllerAnswer(responseData);
    const reply = decodeResponse(api, apiVersion, response).body;
    await this.#caughtUp(revision, untilMs);
    return reply;
  }

  /** The one with the fewest requests under way. */
  #lane(): number {
    let best = 0;
    for (let lane = 1; lane < LANES; lane++) {
      if (this.#underWay[lane] < this.#underWay[best]) best = lane;
    }
    return best;
  }

  /** The client reads here what was decided there, unless this broker hears of it too late. */
  #caughtUp(revision: number, untilMs: number): Promise<void> {
    const { image, ports } = this.#options;
    if (image.revision >= revision) return Promise.resolve();
    return new Promise((resolve) => {
      const limit = ports.timers.after(Math.max(0, untilMs - ports.clock.monotonicMs()), resolve);
      const done = (): void => {
        limit.cancel();
        resolve();
      };
      image.waitFor(revision).then(done, done);
    });
  }

  /** Resolves when somebody else decides than did at that epoch, or after the time. */
  #controllerChange(controllerEpoch: number, waitMs: number): Promise<void> {
    const { image, ports } = this.#options;
    return new Promise((resolve) => {
      if (image.controllerEpoch !== controllerEpoch) {
        resolve();
        return;
      }
      const done = (): void => {
        limit.cancel();
        forget();
        resolve();
      };
      const limit = ports.timers.after(waitMs, done);
      const forget = image.onChange(({ controllerChanged }) => {
        if (controllerChanged) done();
      });
    });
  }
}

/** Nobody who decides could be asked. */
const NOBODY = Symbol('nobody');

async function hereOrNowhere(local: () => unknown): Promise<unknown> {
  try {
    const reply = await local();
    return says(reply, Errors.NOT_CONTROLLER) ? NOBODY : reply;
  } catch (error) {
    if (error instanceof KafkaError && error.code === Errors.NOT_CONTROLLER) return NOBODY;
    throw error;
  }
}

/** Whether this error is anywhere in an answer. */
function says(reply: unknown, errorCode: ErrorCode): boolean {
  if (typeof reply !== 'object' || reply === null || Buffer.isBuffer(reply)) return false;
  if (Array.isArray(reply)) return reply.some((item) => says(item, errorCode));
  for (const [name, value] of Object.entries(reply)) {
    if (name === 'errorCode' ? value === errorCode : says(value, errorCode)) return true;
  }
  return false;
}

function failed(errorCode: ErrorCode): EnvelopeResponse {
  return { responseData: null, errorCode };
}
