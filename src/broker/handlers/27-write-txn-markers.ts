/**
 * WriteTxnMarkers (key 27): ends transactions in the partitions that this broker leads, for a coordinator elsewhere, or for
 * an administrator who ends a hanging one (KIP-664). An administrator can only abort: who else than the coordinator could
 * know that a transaction is committed?
 */
import { Errors, KafkaError, type ErrorCode } from '../../protocol/errors.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import { authorize } from '../authorization.ts';
import { mayActAsBroker } from '../cluster-operation.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

export const writeTxnMarkers = handler(
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
  async (request, context, services) => {
    const isAbort = request.markers.every(({ transactionResult }) => !transactionResult);
    const may =
      mayActAsBroker(services, context) ||
      (isAbort && authorize(services, context, { operation: 'ALTER', resource: 'CLUSTER' }));
    if (!may) throw new KafkaError(Errors.CLUSTER_AUTHORIZATION_FAILED);
    return { markers: await Promise.all(request.markers.map((marker) => write(marker, services))) };
  },
);

async function write(
  marker: WriteTxnMarkersRequest['markers'][number],
  services: Services,
): Promise<WriteTxnMarkersResponse['markers'][number]> {
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = marker;
  const end = {
    producerId,
    producerEpoch,
    coordinatorEpoch,
    isCommit: marker.transactionResult,
    transactionVersion,
  };
  const topics = marker.topics.map(async ({ name, partitionIndexes }) => ({
    name,
    partitions: await Promise.all(
      partitionIndexes.map(async (partition) => ({
        partitionIndex: partition,
        errorCode: await inTime(services, services.markers.write({ topic: name, partition }, end)),
      })),
    ),
  }));
  return { producerId, topics: await Promise.all(topics) };
}

/** A marker that is not committed in time is REQUEST_TIMED_OUT: it may become so. */
function inTime(services: Services, written: Promise<ErrorCode>): Promise<ErrorCode> {
  return new Promise((resolve, reject) => {
    const deadline = services.deadlines.after(services.settings().network.requestTimeoutMs, () =>
      resolve(Errors.REQUEST_TIMED_OUT),
    );
    written.then((errorCode) => {
      deadline.cancel();
      resolve(errorCode);
    }, reject);
  });
}
