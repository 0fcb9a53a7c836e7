/** EndTxn (key 26): commits or aborts a transaction. Answered when the outcome is decided; the markers follow. */
import { Errors } from '../../protocol/errors.ts';
import { EndTxnRequest, EndTxnResponse } from '../../protocol/messages/26-end-txn.ts';
import { authorize } from '../authorization.ts';
import { fencedError } from '../fenced-error.ts';
import { handler } from '../handler.ts';

/** From this version on clients know PRODUCER_FENCED (KIP-588). */
const FENCED_SINCE = 2;
/** From this version on it is sent by producers of transactions v2 (KIP-890). */
const TRANSACTIONS_V2_SINCE = 5;

export const endTxn = handler(EndTxnRequest, EndTxnResponse, async (request, context, services) => {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  const { apiVersion } = context;
  const transaction = { operation: 'WRITE', resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
  if (!authorize(services, context, transaction)) {
    const errorCode = Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
  }
  const answer = await services.transactions.endTransaction({
    transactionalId,
    producerId,
    producerEpoch,
    isCommit: committed,
    clientVersion: apiVersion >= TRANSACTIONS_V2_SINCE ? 2 : 0,
  });
  return {
    throttleTimeMs: 0,
    ...answer,
    errorCode: fencedError(answer.errorCode, apiVersion >= FENCED_SINCE),
  };
});
