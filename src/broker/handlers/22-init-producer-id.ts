/**
 * InitProducerId (key 22): an id for a producer. Without a transactional id every request gets a new one at epoch 0,
 * whatever id and epoch it brings (KIP-360): idempotent producers raise their epoch by themselves. With one, the
 * transaction coordinator decides.
 */
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import { authorize } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { fencedError } from '../fenced-error.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

/** From this version on clients know PRODUCER_FENCED (KIP-588). */
const FENCED_SINCE = 4;

export const initProducerId = handler(
  InitProducerIdRequest,
  InitProducerIdResponse,
  async (request, context, services) => {
    const { transactionalId, producerId, producerEpoch } = request;
    const denied = authorizationProblem(request, context, services);
    if (denied !== undefined) return failed(denied);
    // Either both are given or none.
    if ((producerId === -1) !== (producerEpoch === -1)) return failed(Errors.INVALID_REQUEST);
    if (transactionalId !== null) {
      const answer = await services.transactions.initProducerId({
        transactionalId,
        transactionTimeoutMs: request.transactionTimeoutMs,
        enableTwoPhaseCommit: request.enable2Pc,
        keepPreparedTransaction: request.keepPreparedTxn,
        expected: producerId === -1 ? undefined : { producerId, producerEpoch },
      });
      const errorCode = fencedError(answer.errorCode, context.apiVersion >= FENCED_SINCE);
      return { throttleTimeMs: 0, ...answer, errorCode };
    }
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
  { transactionalId, enable2Pc }: InitProducerIdRequest,
  context: RequestContext,
  services: Services,
): number | undefined {
  if (transactionalId !== null) {
    const on = { resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
    const may =
      authorize(services, context, { ...on, operation: 'WRITE' }) &&
      (!enable2Pc || authorize(services, context, { ...on, operation: 'TWO_PHASE_COMMIT' }));
    return may ? undefined : Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  if (authorize(services, context, { operation: 'IDEMPOTENT_WRITE', resource: 'CLUSTER' })) return undefined;
  return Errors.CLUSTER_AUTHORIZATION_FAILED;
}

function failed(errorCode: number) {
  return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
}
