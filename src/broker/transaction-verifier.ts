/**
 * Whether partitions belong to a producer's transaction, as their leader asks before it appends (KIP-890): the
 * transaction's coordinator is asked, here or on another broker.
 */
import type { Clock, Timers } from '../base/ports.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { TRANSACTIONS_TOPIC } from '../metadata/topic-names.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import type { PartitionsOfProducer } from '../transactions/add-partitions.ts';
import type { TopicPartition } from '../transactions/transaction.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import { PeerBatches } from './peer-batches.ts';

/** Transactions that one request is about. */
export const TRANSACTIONS_PER_REQUEST_MAX = 500;
const LANE = 'transactions';

export interface TransactionQuestion extends PartitionsOfProducer {
  /** The client speaks transactions v2: the partitions are added, not only looked for. */
  readonly canAdd: boolean;
}

export interface TransactionVerifierOptions {
  readonly nodeId: number;
  readonly image: ClusterImage;
  readonly peers: Peers;
  readonly ports: { readonly clock: Clock; readonly timers: Timers };
  readonly transactions: Pick<TransactionCoordinator, 'partitionFor' | 'ensureAll'>;
  readonly settings: () => {
    readonly requestTimeoutMs: number;
    readonly addPartitionsRetryBackoffMs: number;
    readonly addPartitionsRetryBackoffMaxMs: number;
  };
}

export class TransactionVerifier {
  readonly #options: TransactionVerifierOptions;
  readonly #batches: PeerBatches<TransactionQuestion, readonly ErrorCode[]>;

  constructor(options: TransactionVerifierOptions) {
    this.#options = options;
    this.#batches = new PeerBatches({
      timers: options.ports.timers,
      itemsMax: TRANSACTIONS_PER_REQUEST_MAX,
      send: (nodeId, questions) => this.#send(nodeId, questions),
    });
  }

  /** An error for each partition, in their order: see TransactionCoordinator.ensureAll. */
  async ensureAll(question: TransactionQuestion): Promise<readonly ErrorCode[]> {
    const { transactions, nodeId, ports, settings } = this.#options;
    const { clock } = ports;
    const { addPartitionsRetryBackoffMs, addPartitionsRetryBackoffMaxMs } = settings();
    const untilMs = clock.monotonicMs() + addPartitionsRetryBackoffMaxMs;
    for (;;) {
      const coordinator = this.#coordinatorOf(question.transactionalId);
      if (coordinator === nodeId) return transactions.ensureAll(question);
      if (coordinator < 0) return question.partitions.map(() => Errors.COORDINATOR_NOT_AVAILABLE);
      const errorCodes = await this.#ask(coordinator, question);
      // With transactions v2 the transaction before is often being completed still: the client would wait longer.
      const isBusy = question.canAdd && errorCodes.includes(Errors.CONCURRENT_TRANSACTIONS);
      if (!isBusy || clock.monotonicMs() >= untilMs) return errorCodes.map(understood);
      await new Promise<void>((resolve) => ports.timers.after(addPartitionsRetryBackoffMs, resolve));
    }
  }

  /** `ensureAll` for one partition. */
  async ensure(
    question: Omit<TransactionQuestion, 'partitions'> & {
      readonly topic: string;
      readonly partition: number;
    },
  ): Promise<ErrorCode> {
    const { topic, partition, ...rest } = question;
    const [errorCode] = await this.ensureAll({ ...rest, partitions: [{ topic, partition }] });
    return errorCode;
  }

  #coordinatorOf(transactionalId: string): number {
    const { image, transactions } = this.#options;
    const partitions = image.topics.get(TRANSACTIONS_TOPIC)?.partitions;
    return partitions?.[transactions.partitionFor(transactionalId)]?.leader ?? -1;
  }

  async #ask(coordinator: number, question: TransactionQuestion): Promise<readonly ErrorCode[]> {
    const all = (errorCode: ErrorCode): ErrorCode[] => question.partitions.map(() => errorCode);
    try {
      return await this.#batches.add(coordinator, question);
    } catch (error) {
      if (error instanceof PeerUnavailable) return all(Errors.NETWORK_EXCEPTION);
      if (error instanceof KafkaError) return all(error.code);
      throw error;
    }
  }

  async #send(
    nodeId: number,
    questions: readonly TransactionQuestion[],
  ): Promise<readonly (readonly ErrorCode[])[]> {
    const { peers, settings } = this.#options;
    const answer = await peers.request(nodeId, {
      request: AddPartitionsToTxnRequest,
      response: AddPartitionsToTxnResponse,
      body: {
        transactions: questions.map(({ canAdd, transactionalId, producerId, producerEpoch, partitions }) => ({
          transactionalId,
          producerId,
          producerEpoch,
          verifyOnly: !canAdd,
          topics: byTopic(partitions),
        })),
        v3AndBelowTransactionalId: '',
        v3AndBelowProducerId: -1,
        v3AndBelowProducerEpoch: -1,
        v3AndBelowTopics: [],
      },
      timeoutMs: settings().requestTimeoutMs,
      lane: LANE,
    });
    return questions.map(({ partitions }, index) => {
      const topicResults = answer.resultsByTransaction.at(index)?.topicResults ?? [];
      const topics = new Map(topicResults.map((topic) => [topic.name, topic.resultsByPartition]));
      return partitions.map(({ topic, partition }) => {
        if (answer.errorCode !== Errors.NONE) return answer.errorCode as ErrorCode;
        const said = topics.get(topic)?.find(({ partitionIndex }) => partitionIndex === partition);
        return (said?.partitionErrorCode ?? Errors.UNKNOWN_SERVER_ERROR) as ErrorCode;
      });
    });
  }
}

function byTopic(partitions: readonly TopicPartition[]): { name: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const indexes = topics.get(topic);
    if (indexes === undefined) topics.set(topic, [partition]);
    else indexes.push(partition);
  }
  return [...topics].map(([name, indexes]) => ({ name, partitions: indexes }));
}

function understood(errorCode: ErrorCode): ErrorCode {
  switch (errorCode) {
    case Errors.PRODUCER_FENCED:
      return Errors.INVALID_PRODUCER_EPOCH;
    // This broker leads the partition, so it exists: the coordinator has not heard of it yet.
    case Errors.UNKNOWN_TOPIC_OR_PARTITION:
    case Errors.OPERATION_NOT_ATTEMPTED:
      return Errors.COORDINATOR_NOT_AVAILABLE;
    default:
      return errorCode;
  }
}
