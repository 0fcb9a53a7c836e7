/** The steps in which another broker of the cluster shows that it is one (security/broker-identity.ts). */
import { Errors } from '../protocol/errors.ts';
import {
  BROKER_MECHANISM,
  BROKER_NONCE_BYTES,
  BROKER_PRINCIPAL_TYPE,
  challengeBroker,
  isProven,
  type BrokerClaim,
  type PendingBroker,
} from '../security/broker-identity.ts';
import type { AuthenticationStep, StepAnswer } from './authenticate-client.ts';
import type { Services } from './services.ts';

const NOTHING = Buffer.alloc(0);

/** Whatever comes of a step, it cannot be made twice. */
export function authenticateBroker(
  pending: 'hello' | PendingBroker,
  { authBytes, context, services }: AuthenticationStep,
): StepAnswer {
  const { connection, connectionId } = context;
  connection.brokerExchange = undefined;
  const { image, ports } = services;
  const refuse = (): StepAnswer => {
    if (connection.sasl !== undefined) connection.sasl.hasFailed = true;
    return {
      errorCode: Errors.SASL_AUTHENTICATION_FAILED,
      errorMessage: 'Authentication failed.',
      authBytes: NOTHING,
    };
  };
  if (pending === 'hello') {
    const secret = image.interBrokerSecret;
    const nonce = ports.random.bytes(BROKER_NONCE_BYTES);
    const made = secret === undefined ? undefined : challengeBroker(secret, authBytes, nonce);
    if (made === undefined) return refuse();
    connection.brokerExchange = made.pending;
    return { errorCode: Errors.NONE, errorMessage: null, authBytes: made.challenge };
  }
  const { claim } = pending;
  if (!isProven(pending, authBytes) || !isBelievable(claim, services)) {
    ports.logger.warn({ connection: connectionId, ...claim }, 'a connection says it is a broker and is not');
    return refuse();
  }
  connection.principal = { type: BROKER_PRINCIPAL_TYPE, name: String(claim.nodeId) };
  connection.sasl?.authenticated(BROKER_MECHANISM);
  return { errorCode: Errors.NONE, errorMessage: null, authBytes: NOTHING };
}

/** Meant for this broker, and not from a life that another has followed. One that is too new to be known may be let in. */
function isBelievable({ nodeId, toNodeId, brokerEpoch }: BrokerClaim, services: Services): boolean {
  if (toNodeId !== services.nodeId || nodeId === services.nodeId) return false;
  return brokerEpoch >= (services.image.brokers.get(nodeId)?.epoch ?? -1);
}
