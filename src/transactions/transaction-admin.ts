/** DescribeTransactions and ListTransactions: transactions seen from outside, as of the committed offset (KIP-664). */
import { linearPattern, PatternError } from '../base/linear-pattern.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import type { DescribeTransactionsResponse } from '../protocol/messages/65-describe-transactions.ts';
import type {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../protocol/messages/66-list-transactions.ts';
import type { ShardState } from './shard-state.ts';
import { TRANSACTION_STATES, type Transaction } from './transaction.ts';

export type DescribedTransaction = DescribeTransactionsResponse['transactionStates'][number];
export type ListedTransaction = ListTransactionsResponse['transactionStates'][number];

/** What nobody knows anything about; also the shape of errors. */
export function undescribed(transactionalId: string, errorCode: ErrorCode): DescribedTransaction {
  return {
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  };
}

/** Errors: TRANSACTIONAL_ID_NOT_FOUND. */
export function describeTransaction(state: ShardState, transactionalId: string): DescribedTransaction {
  const transaction = state.transactions.getCommitted(transactionalId);
  if (transaction === undefined) return undescribed(transactionalId, Errors.TRANSACTIONAL_ID_NOT_FOUND);
  return {
    errorCode: Errors.NONE,
    transactionalId,
    transactionState: transaction.state,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStartTimeMs: transaction.startMs,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    topics: [...transaction.partitions].map(([topic, indexes]) => ({ topic, partitions: [...indexes] })),
  };
}

/** Whether a transaction is to be listed. */
export type TransactionFilter = (transaction: Transaction) => boolean;

/**
 * Empty filters let all through; names of states that do not exist let none through, and are told. Throws a KafkaError
 * with INVALID_REGULAR_EXPRESSION for a pattern that is none.
 */
export function transactionFilter(
  request: ListTransactionsRequest,
  nowMs: number,
): { readonly matches: TransactionFilter; readonly unknownStateFilters: string[] } {
  const { durationFilter, transactionalIdPattern } = request;
  const states = new Set(request.stateFilters);
  const producerIds = new Set(request.producerIdFilters);
  const known = new Set<string>(TRANSACTION_STATES);
  const pattern = transactionalIdPattern ? wholeMatch(transactionalIdPattern) : undefined;
  return {
    unknownStateFilters: [...states].filter((name) => !known.has(name)),
    matches: ({ transactionalId, producerId, state, startMs }) =>
      (producerIds.size === 0 || producerIds.has(producerId)) &&
      (states.size === 0 || states.has(state)) &&
      (durationFilter < 0 || nowMs - startMs > durationFilter) &&
      (pattern === undefined || pattern(transactionalId)),
  };
}

function wholeMatch(pattern: string): (text: string) => boolean {
  try {
    return linearPattern(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new KafkaError(
      Errors.INVALID_REGULAR_EXPRESSION,
      `Transaction ID pattern \`${pattern}\` is not a valid regular expression: ${error.message}.`,
    );
  }
}

export function listTransactions(state: ShardState, matches: TransactionFilter): ListedTransaction[] {
  const listed: ListedTransaction[] = [];
  for (const [transactionalId, transaction] of state.transactions.committedEntries()) {
    if (!matches(transaction)) continue;
    const { producerId, state: transactionState } = transaction;
    listed.push({ transactionalId, producerId, transactionState });
  }
  return listed;
}
