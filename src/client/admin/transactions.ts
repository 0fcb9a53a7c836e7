/** An administrator's questions about transactions: which there are, who writes, and ending what hangs (KIP-664). */
import { Errors } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../protocol/messages/61-describe-producers.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../protocol/messages/66-list-transactions.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { ownError } from '../errors.ts';
import { apart, eachItem, grouped, matched, outcomeOf, partitionName } from './items.ts';
import { byPartition } from './records.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface TransactionListing {
  readonly transactionalId: string;
  readonly producerId: number;
  /** As Kafka names it: Empty, Ongoing, PrepareCommit, CompleteAbort... */
  readonly state: string;
}

export interface ListTransactionsOptions extends AskOptions {
  /** By Kafka's names; all of them unless given. */
  readonly states?: readonly string[];
  readonly producerIds?: readonly number[];
  /** Those that have been running for longer, in ms (KIP-994). */
  readonly runningLongerThanMs?: number;
  /** A regular expression in RE2's syntax over the transactional id (KIP-1152). */
  readonly pattern?: string;
}

/** From here on brokers choose by duration, and by pattern. */
const DURATION_VERSION = 1;
const PATTERN_VERSION = 2;

export async function listTransactions(
  routes: Routes,
  options: ListTransactionsOptions = {},
): Promise<TransactionListing[]> {
  const { states = [], producerIds = [], runningLongerThanMs = -1, pattern = null } = options;
  const answers = await eachItem(routes, await routes.nodeIds(), {
    ...options,
    nameOf: String,
    ask: (nodeIds) =>
      apart(nodeIds, async (nodeId) => {
        const answer = await routes.askBroker(nodeId, {
          request: ListTransactionsRequest,
          response: ListTransactionsResponse,
          body: (version) => {
            const isTooOld =
              (runningLongerThanMs >= 0 && version < DURATION_VERSION) ||
              (pattern !== null && version < PATTERN_VERSION);
            if (isTooOld) {
              throw ownError('UNSUPPORTED_API', 'the broker is too old to choose transactions like this');
            }
            return {
              stateFilters: states,
              producerIdFilters: producerIds,
              durationFilter: runningLongerThanMs,
              transactionalIdPattern: pattern,
            };
          },
        });
        const unknown = answer.unknownStateFilters;
        if (unknown.length > 0) {
          throw ownError('INVALID_ARGUMENT', `no transaction has the state ${unknown.join(', ')}`);
        }
        return outcomeOf(answer, `transactions of broker ${nodeId}`, () => answer.transactionStates);
      }),
  });
  return answers
    .flat()
    .map(({ transactionalId, producerId, transactionState: state }) => ({
      transactionalId,
      producerId,
      state,
    }))
    .sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1));
}

export interface TransactionDescription extends TransactionListing {
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  /** In ms since the epoch; null while no transaction is under way. */
  readonly startTimeMs: number | null;
  /** What the transaction under way has written to. */
  readonly partitions: readonly TopicPartition[];
}

export function describeTransactions(
  routes: Routes,
  transactionalIds: readonly string[],
  options: AskOptions = {},
): Promise<TransactionDescription[]> {
  return eachItem(routes, transactionalIds, {
    ...options,
    nameOf: (id) => id,
    ask: (asked) =>
      apart(asked, async (transactionalId) => {
        const { transactionStates } = await routes.coordinator(transactionalId, 'transaction').ask(
          {
            request: DescribeTransactionsRequest,
            response: DescribeTransactionsResponse,
            body: () => ({ transactionalIds: [transactionalId] }),
          },
          (answer) => answer.transactionStates[0]?.errorCode ?? Errors.NONE,
        );
        const answers = new Map(transactionStates.map((one) => [one.transactionalId, one]));
        return matched([transactionalId], answers, {
          keyOf: (id) => id,
          outcome: (one, id) =>
            outcomeOf(one, `transactional id ${id}`, () => ({
              transactionalId: id,
              producerId: one.producerId,
              producerEpoch: one.producerEpoch,
              state: one.transactionState,
              timeoutMs: one.transactionTimeoutMs,
              startTimeMs: one.transactionStartTimeMs < 0 ? null : one.transactionStartTimeMs,
              partitions: one.topics.flatMap(({ topic, partitions }) =>
                partitions.map((partition) => ({ topic, partition })),
              ),
            })),
        })[0]!;
      }),
  });
}

export interface ActiveProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1 while there is none. */
  readonly lastSequence: number;
  /** In ms since the epoch; -1 while there is none. */
  readonly lastTimestamp: number;
  /** Of the coordinator that wrote the last marker; -1 while there is none. */
  readonly coordinatorEpoch: number;
  /** Where the open transaction begins; null while none is open. */
  readonly transactionStartOffset: number | null;
}

export interface PartitionProducers extends TopicPartition {
  readonly producers: readonly ActiveProducer[];
}

export function describeProducers(
  routes: Routes,
  partitions: readonly TopicPartition[],
  options: AskOptions = {},
): Promise<PartitionProducers[]> {
  return eachItem(routes, partitions, {
    ...options,
    isPatient: true,
    nameOf: partitionName,
    ask: (asked) =>
      routes.leaders(asked, async (link, list) => {
        const { topics } = await link.ask({
          request: DescribeProducersRequest,
          response: DescribeProducersResponse,
          body: () => ({
            topics: grouped(list, ({ partition }) => partition).map(([name, partitionIndexes]) => ({
              name,
              partitionIndexes,
            })),
          }),
        });
        return matched(list, byPartition(topics), {
          keyOf: partitionName,
          outcome: (one, { topic, partition }) =>
            outcomeOf(one, `producers of ${topic}-${partition}`, () => ({
              topic,
              partition,
              producers: one.activeProducers.map((producer) => ({
                producerId: producer.producerId,
                producerEpoch: producer.producerEpoch,
                lastSequence: producer.lastSequence,
                lastTimestamp: producer.lastTimestamp,
                coordinatorEpoch: producer.coordinatorEpoch,
                transactionStartOffset:
                  producer.currentTxnStartOffset < 0 ? null : producer.currentTxnStartOffset,
              })),
            })),
        });
      }),
  });
}

/** An open transaction of one partition, as `describeProducers` shows it. */
export interface HangingTransaction extends TopicPartition {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Default: 0, which no coordinator is older than. */
  readonly coordinatorEpoch?: number;
}

/** Writes an ABORT marker for what no coordinator remembers. What one does remember is ended by `fenceProducers`. */
export async function abortTransaction(
  routes: Routes,
  transaction: HangingTransaction,
  options: AskOptions = {},
): Promise<void> {
  const { producerId, producerEpoch, coordinatorEpoch = 0 } = transaction;
  await eachItem(routes, [transaction], {
    ...options,
    nameOf: partitionName,
    ask: (asked) =>
      routes.leaders(asked, async (link, list) => {
        const { markers } = await link.ask({
          request: WriteTxnMarkersRequest,
          response: WriteTxnMarkersResponse,
          body: () => ({
            markers: list.map(({ topic, partition }) => ({
              producerId,
              producerEpoch,
              coordinatorEpoch: Math.max(0, coordinatorEpoch),
              transactionResult: false,
              topics: [{ name: topic, partitionIndexes: [partition] }],
            })),
          }),
        });
        return matched(list, byPartition(markers[0]?.topics ?? []), {
          keyOf: partitionName,
          outcome: (one, of) => outcomeOf(one, `aborting in ${partitionName(of)}`, () => undefined),
        });
      }),
  });
}

export interface FencedProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Ends what the producers with these transactional ids have open, and refuses what they send from now on. */
export function fenceProducers(
  routes: Routes,
  transactionalIds: readonly string[],
  options: AskOptions = {},
): Promise<FencedProducer[]> {
  const { requestTimeoutMs } = routes.core.settings;
  return eachItem(routes, transactionalIds, {
    ...options,
    nameOf: (id) => id,
    ask: (asked) =>
      apart(asked, async (transactionalId) => {
        const answer = await routes.coordinator(transactionalId, 'transaction').ask(
          {
            request: InitProducerIdRequest,
            response: InitProducerIdResponse,
            body: () => ({ transactionalId, transactionTimeoutMs: requestTimeoutMs }),
          },
          ({ errorCode }) => errorCode,
        );
        const { producerId, producerEpoch } = answer;
        return outcomeOf(answer, `fencing ${transactionalId}`, () => ({
          transactionalId,
          producerId,
          producerEpoch,
        }));
      }),
  });
}
