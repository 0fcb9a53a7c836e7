/** UnregisterBroker (key 64): forgets a broker that will not come back (KIP-746). */
import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';

export const unregisterBroker = handler(
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
  async (request, context, services) => {
    requireClusterOperation(services, context, 'ALTER');
    const outcome = await services.controller.unregisterBroker(request.brokerId);
    return { throttleTimeMs: 0, ...outcome };
  },
);
