/**
 * SaslHandshake (key 17): agrees on how the other side shows who it is. Brokers do so by a mechanism of their own, on the
 * listener that is theirs. Clients on a listener without SASL are told, as by Kafka, that there is nothing to authenticate.
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
  ({ mechanism }, context, services) => {
    const { listener, apiVersion, connection } = context;
    const { interBrokerListenerName } = services.settings().listeners;
    if (isBroker(context)) return { errorCode: Errors.ILLEGAL_SASL_STATE, mechanisms: [] };
    const isForBrokers = mechanism === BROKER_MECHANISM && listener === interBrokerListenerName;
    if (isForBrokers && apiVersion >= REQUESTS_SINCE) {
      connection.brokerExchange = 'hello';
      return { errorCode: Errors.NONE, mechanisms: [BROKER_MECHANISM] };
    }
    const { sasl } = connection;
    if (sasl === undefined) return { errorCode: Errors.ILLEGAL_SASL_STATE, mechanisms: [] };
    const mechanisms = [...services.sasl.mechanismsOf(listener)];
    const exchange = services.sasl.exchange(listener, mechanism);
    // One that is somebody's already stays with its mechanism.
    const mayChoose = sasl.mechanism === undefined || sasl.mechanism === mechanism;
    if (exchange === undefined || !mayChoose) {
      sasl.hasFailed = true;
      return { errorCode: Errors.UNSUPPORTED_SASL_MECHANISM, mechanisms };
    }
    sasl.begun = { mechanism, exchange, isBare: apiVersion < REQUESTS_SINCE };
    return { errorCode: Errors.NONE, mechanisms };
  },
);
