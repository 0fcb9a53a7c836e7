/** SaslAuthenticate (key 36): the steps in which another broker of the cluster shows that it is one. */
import { Errors } from '../../protocol/errors.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../../protocol/messages/36-sasl-authenticate.ts';
import {
  BROKER_NONCE_BYTES,
  BROKER_PRINCIPAL_TYPE,
  challengeBroker,
  isProven,
  type BrokerClaim,
} from '../../security/broker-identity.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

const NOTHING = Buffer.alloc(0);
const NOT_BEGUN = 'SaslAuthenticate request received after successful authentication';
const FAILED = 'Authentication failed.';

export const saslAuthenticate = handler(
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
  ({ authBytes }, { connection, connectionId }, services) => {
    const { brokerExchange } = connection;
    // Whatever comes of this step, it cannot be made twice.
    connection.brokerExchange = undefined;
    if (brokerExchange === undefined) return refuse(Errors.ILLEGAL_SASL_STATE, NOT_BEGUN);
    const { image, ports } = services;
    if (brokerExchange === 'hello') {
      const secret = image.interBrokerSecret;
      const made =
        secret === undefined
          ? undefined
          : challengeBroker(secret, authBytes, ports.random.bytes(BROKER_NONCE_BYTES));
      if (made === undefined) return refuse(Errors.SASL_AUTHENTICATION_FAILED, FAILED);
      connection.brokerExchange = made.pending;
      return { errorCode: Errors.NONE, errorMessage: null, authBytes: made.challenge };
    }
    const { claim } = brokerExchange;
    if (!isProven(brokerExchange, authBytes) || !isBelievable(claim, services)) {
      ports.logger.warn(
        { connection: connectionId, ...claim },
        'a connection says it is a broker and is not',
      );
      return refuse(Errors.SASL_AUTHENTICATION_FAILED, FAILED);
    }
    connection.principal = { type: BROKER_PRINCIPAL_TYPE, name: String(claim.nodeId) };
    return { errorCode: Errors.NONE, errorMessage: null, authBytes: NOTHING };
  },
);

/** Meant for this broker, and not from a life that another has followed. One that is too new to be known may be let in. */
function isBelievable({ nodeId, toNodeId, brokerEpoch }: BrokerClaim, services: Services): boolean {
  if (toNodeId !== services.nodeId || nodeId === services.nodeId) return false;
  return brokerEpoch >= (services.image.brokers.get(nodeId)?.epoch ?? -1);
}

function refuse(errorCode: number, errorMessage: string) {
  return { errorCode, errorMessage, authBytes: NOTHING };
}
