/**
 * AddPartitionsToTxn (key 24): adds partitions to transactions, or only says whether they are in. Clients name one
 * transaction; brokers, from version 4 on, several.
 */
import { isInternalTopic } from '../../metadata/topic-names.ts';
import { Errors, KafkaError, type ErrorCode } from '../../protocol/errors.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../protocol/messages/24-add-partitions-to-txn.ts';
import type { TopicPartition } from '../../transactions/transaction.ts';
import { authorize, mayTopic } from '../authorization.ts';
import { mayActAsBroker } from '../cluster-operation.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { fencedError } from '../fenced-error.ts';
import type { Services } from '../services.ts';

type Asked = AddPartitionsToTxnRequest['transactions'][number];
type TopicResults = AddPartitionsToTxnResponse['resultsByTopicV3AndBelow'];

/** From this version on requests come from brokers. */
const BROKERS_SINCE = 4;
/** From this version on clients know PRODUCER_FENCED (KIP-588). */
const FENCED_SINCE = 2;
/** transaction.version that a request of clients, or of brokers for them, speaks. */
const CLIENT_VERSION = 0;
const BROKER_VERSION = 2;

export const addPartitionsToTxn = handler(
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
  async (request, context, services) => {
    const answer = {
      throttleTimeMs: 0,
      errorCode: Errors.NONE,
      resultsByTransaction: [],
      resultsByTopicV3AndBelow: [],
    };
    if (context.apiVersion < BROKERS_SINCE) {
      const asked: Asked = {
        transactionalId: request.v3AndBelowTransactionalId,
        producerId: request.v3AndBelowProducerId,
        producerEpoch: request.v3AndBelowProducerEpoch,
        verifyOnly: false,
        topics: request.v3AndBelowTopics,
      };
      return { ...answer, resultsByTopicV3AndBelow: await add(asked, context, services) };
    }
    if (!mayActAsBroker(services, context)) throw new KafkaError(Errors.CLUSTER_AUTHORIZATION_FAILED);
    const resultsByTransaction = await Promise.all(
      request.transactions.map(async (asked) => ({
        transactionalId: asked.transactionalId,
        topicResults: await add(asked, context, services),
      })),
    );
    return { ...answer, resultsByTransaction };
  },
);

async function add(asked: Asked, context: RequestContext, services: Services): Promise<TopicResults> {
  const { transactionalId } = asked;
  const isFromClient = context.apiVersion < BROKERS_SINCE;
  const transaction = { operation: 'WRITE', resource: 'TRANSACTIONAL_ID', name: transactionalId } as const;
  if (isFromClient && !authorize(services, context, transaction)) {
    return results(asked, () => Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  }
  const problem = (at: TopicPartition): ErrorCode => {
    const isOpen =
      !isFromClient || (!isInternalTopic(at.topic) && mayTopic(services, context, 'WRITE', at.topic));
    if (!isOpen) return Errors.TOPIC_AUTHORIZATION_FAILED;
    const exists = services.image.topics.get(at.topic)?.partitions[at.partition] !== undefined;
    return exists ? Errors.NONE : Errors.UNKNOWN_TOPIC_OR_PARTITION;
  };
  const partitions = asked.topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((partition) => ({ topic: name, partition })),
  );
  // All of them or none.
  if (partitions.some((one) => problem(one) !== Errors.NONE)) {
    return results(asked, (one) => {
      const errorCode = problem(one);
      return errorCode === Errors.NONE ? Errors.OPERATION_NOT_ATTEMPTED : errorCode;
    });
  }
  const { producerId, producerEpoch } = asked;
  const of = { transactionalId, producerId, producerEpoch, partitions };
  if (asked.verifyOnly) {
    const errorCodes = [...(await services.transactions.verifyPartitions(of))];
    return results(asked, () => errorCodes.shift()!);
  }
  const clientVersion = isFromClient ? CLIENT_VERSION : BROKER_VERSION;
  const errorCode = await services.transactions.addPartitions({ ...of, clientVersion });
  return results(asked, () => fencedError(errorCode, context.apiVersion >= FENCED_SINCE));
}

/** One for each partition, in the request's order. */
function results(asked: Asked, errorOf: (at: TopicPartition) => ErrorCode): TopicResults {
  return asked.topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partition) => ({
      partitionIndex: partition,
      partitionErrorCode: errorOf({ topic: name, partition }),
    })),
  }));
}
