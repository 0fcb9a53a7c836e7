/** SaslAuthenticate (key 36): the steps in which a client shows who it is, or another broker of the cluster that it is one. */
import { Errors } from '../../protocol/errors.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../../protocol/messages/36-sasl-authenticate.ts';
import { authenticateBroker } from '../authenticate-broker.ts';
import { authenticateClient } from '../authenticate-client.ts';
import { handler } from '../handler.ts';

const NOTHING = Buffer.alloc(0);
const NOT_BEGUN = 'SaslAuthenticate request received after successful authentication';

export const saslAuthenticate = handler(
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
  ({ authBytes }, context, services) => {
    const { brokerExchange, sasl } = context.connection;
    const step = { authBytes, context, services };
    if (brokerExchange !== undefined) return authenticateBroker(brokerExchange, step);
    if (sasl !== undefined) return authenticateClient(sasl, step);
    return { errorCode: Errors.ILLEGAL_SASL_STATE, errorMessage: NOT_BEGUN, authBytes: NOTHING };
  },
);
