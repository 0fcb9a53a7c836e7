/** AddOffsetsToTxn (key 25): adds the partition of __consumer_offsets in which a group's offsets lie to a transaction. */
import { OFFSETS_TOPIC } from '../../metadata/topic-names.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../protocol/messages/25-add-offsets-to-txn.ts';
import { authorize } from '../authorization.ts';
import { fencedError } from '../fenced-error.ts';
import { handler } from '../handler.ts';

/** From this version on clients know PRODUCER_FENCED (KIP-588). */
const FENCED_SINCE = 2;
/** Producers of transactions v2 do not send this request. */
const CLIENT_VERSION = 0;

export const addOffsetsToTxn = handler(
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
  async (request, context, services) => {
    const answer = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode });
    const { transactionalId, groupId, producerId, producerEpoch } = request;
    const transaction = { operation: 'WRITE', resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
    if (!authorize(services, context, transaction)) {
      return answer(Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: groupId })) {
      return answer(Errors.GROUP_AUTHORIZATION_FAILED);
    }
    const partitions = [{ topic: OFFSETS_TOPIC, partition: services.groups.partitionFor(groupId) }];
    const errorCode = await services.transactions.addPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      partitions,
      clientVersion: CLIENT_VERSION,
    });
    return answer(fencedError(errorCode, context.apiVersion >= FENCED_SINCE));
  },
);
