/**
 * SaslHandshake (key 17). Brokers begin here to say who they are, on the listener that is theirs. Clients on a listener
 * without authentication are told, as by Kafka, that there is nothing to authenticate.
 */
import { Errors } from '../../protocol/errors.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../../protocol/messages/17-sasl-handshake.ts';
import { BROKER_MECHANISM } from '../../security/broker-identity.ts';
import { isBroker } from '../context.ts';
import { handler } from '../handler.ts';

/** From this version on what follows are SaslAuthenticate requests. */
const REQUESTS_SINCE = 1;

export const saslHandshake = handler(
  SaslHandshakeRequest,
  SaslHandshakeResponse,
  (request, context, services) => {
    const { interBrokerListenerName } = services.settings().listeners;
    const mayBegin =
      request.mechanism === BROKER_MECHANISM &&
      context.listener === interBrokerListenerName &&
      context.apiVersion >= REQUESTS_SINCE &&
      !isBroker(context);
    if (!mayBegin) return { errorCode: Errors.ILLEGAL_SASL_STATE, mechanisms: [] };
    context.connection.brokerExchange = 'hello';
    return { errorCode: Errors.NONE, mechanisms: [BROKER_MECHANISM] };
  },
);
