/** The steps in which a client shows who it is, by the mechanism that it has agreed on. */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { RequestContext } from './context.ts';
import type { SaslSession } from './sasl-session.ts';
import type { Services } from './services.ts';

const NOTHING = Buffer.alloc(0);
/** Kafka's words, for a step that comes before a mechanism was agreed on, or after the last one. */
const NOT_BEGUN = 'SaslAuthenticate request received after successful authentication';

export interface AuthenticationStep {
  readonly authBytes: Buffer;
  readonly context: RequestContext;
  readonly services: Services;
}

export interface StepAnswer {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly authBytes: Buffer;
  /** After which the client must begin anew; 0: never. */
  readonly sessionLifetimeMs?: number;
}

/** Answers a failure after a while, so that passwords cannot be tried quickly. The connection ends then. */
export function authenticateClient(
  sasl: SaslSession,
  { authBytes, context, services }: AuthenticationStep,
): StepAnswer | Promise<StepAnswer> {
  const { connection, connectionId, listener } = context;
  const { clock, logger } = services.ports;
  const { begun } = sasl;
  if (begun === undefined) return fail(sasl, services, [Errors.ILLEGAL_SASL_STATE, NOT_BEGUN]);
  const { mechanism, exchange } = begun;
  const step = exchange.step(authBytes);
  if (step.kind === 'continue') return { errorCode: Errors.NONE, errorMessage: null, authBytes: step.answer };
  if (step.kind === 'failed') {
    logger.info({ connection: connectionId, listener, mechanism }, 'authentication failed');
    return fail(sasl, services, [Errors.SASL_AUTHENTICATION_FAILED, step.message]);
  }
  if (sasl.mechanism !== undefined && connection.principal.name !== step.user) {
    logger.warn({ connection: connectionId, listener }, 'a connection wanted to become somebody else');
    return fail(sasl, services, [
      Errors.SASL_AUTHENTICATION_FAILED,
      'Cannot change principals during re-authentication',
    ]);
  }
  const sessionLifetimeMs = services.sasl.sessionMsOf(listener, mechanism);
  connection.principal = { type: 'User', name: step.user };
  sasl.authenticated(mechanism, sessionLifetimeMs > 0 ? clock.monotonicMs() + sessionLifetimeMs : undefined);
  return { errorCode: Errors.NONE, errorMessage: null, authBytes: step.answer, sessionLifetimeMs };
}

function fail(
  sasl: SaslSession,
  { ports, settings }: Services,
  [errorCode, errorMessage]: readonly [ErrorCode, string],
): Promise<StepAnswer> {
  sasl.hasFailed = true;
  const { promise, resolve } = Promise.withResolvers<StepAnswer>();
  ports.timers.after(settings().network.failedAuthenticationDelayMs, () =>
    resolve({ errorCode, errorMessage, authBytes: NOTHING }),
  );
  return promise;
}
