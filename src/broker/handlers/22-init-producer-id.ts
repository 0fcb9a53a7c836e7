/**
 * InitProducerId (key 22): an id for a producer. Without a transactional id every request gets a new one at epoch 0,
 * whatever id and epoch it brings (KIP-360): idempotent producers raise their epoch by themselves.
 */
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import { authorize } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

export const initProducerId = handler(
  InitProducerIdRequest,
  InitProducerIdResponse,
  async (request, context, services) => {
    const { transactionalId, producerId, producerEpoch } = request;
    const denied = authorizationProblem(transactionalId, context, services);
    if (denied !== undefined) return failed(denied);
    // Either both are given or none.
    if ((producerId === -1) !== (producerEpoch === -1)) return failed(Errors.INVALID_REQUEST);
    if (transactionalId === '') return failed(Errors.INVALID_REQUEST);
    // There is no transaction coordinator to find; FindCoordinator says the same.
    if (transactionalId !== null) return failed(Errors.UNSUPPORTED_VERSION);
    try {
      const id = await services.producerIds.generate();
      return { throttleTimeMs: 0, errorCode: Errors.NONE, producerId: id, producerEpoch: 0 };
    } catch (error) {
      if (error instanceof KafkaError) return failed(error.code);
      throw error;
    }
  },
);

function authorizationProblem(
  transactionalId: string | null,
  context: RequestContext,
  services: Services,
): number | undefined {
  if (transactionalId !== null) {
    const request = { operation: 'WRITE', resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
    if (authorize(services, context, request)) return undefined;
    return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  if (authorize(services, context, { operation: 'IDEMPOTENT_WRITE', resource: 'CLUSTER' })) return undefined;
  return Errors.CLUSTER_AUTHORIZATION_FAILED;
}

function failed(errorCode: number) {
  return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
}
