/**
 * Before the first batch of a transaction is written to a partition, the transaction's coordinator is asked whether the
 * partition belongs to it, or told that it does (KIP-890). Otherwise a request that was delayed could begin a transaction
 * here which nobody ends, and consumers of committed data would wait behind it for ever.
 */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { Verification } from '../log/log.ts';
import type { Partition } from '../replication/partition.ts';
import type { Services } from './services.ts';

export interface TransactionalWrite {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of the batch; -1 for one that a coordinator writes. */
  readonly firstSequence: number;
  /** The client speaks transactions v2: its partitions are added by its writes. */
  readonly canAdd: boolean;
  /** The client knows TRANSACTION_ABORTABLE. */
  readonly knowsAbortable: boolean;
}

export interface Verified {
  readonly errorCode: ErrorCode;
  /** Belongs into the append. */
  readonly verification: Verification | undefined;
}

export async function verifyTransaction(
  partition: Partition,
  write: TransactionalWrite,
  services: Services,
): Promise<Verified> {
  const { transactionalId, producerId, producerEpoch, firstSequence, canAdd } = write;
  const unchecked = { errorCode: Errors.NONE, verification: undefined };
  if (!canAdd && !services.settings().transactions.partitionVerificationEnable) return unchecked;
  const begun = partition.beginVerification(
    { producerId, producerEpoch, firstSequence, hasEpochPerTransaction: canAdd },
    services.ports.clock.nowMs(),
  );
  const { verification } = begun;
  if (begun.errorCode !== Errors.NONE || verification === 'ongoing') {
    return { errorCode: begun.errorCode as ErrorCode, verification };
  }
  const { topic } = partition;
  const of = { transactionalId, producerId, producerEpoch, topic, partition: partition.partition, canAdd };
  const errorCode = await services.transactionVerifier.ensure(of);
  return { errorCode: understood(errorCode, write), verification };
}

/** Producers expect to be told of fencing as of a stale epoch, and old ones know nothing of TRANSACTION_ABORTABLE. */
function understood(errorCode: ErrorCode, { knowsAbortable }: TransactionalWrite): ErrorCode {
  if (errorCode === Errors.PRODUCER_FENCED) return Errors.INVALID_PRODUCER_EPOCH;
  // What old clients repeat without looking for another coordinator.
  if (errorCode === Errors.NETWORK_EXCEPTION) return Errors.COORDINATOR_LOAD_IN_PROGRESS;
  const isForeign = errorCode === Errors.TRANSACTION_ABORTABLE && !knowsAbortable;
  return isForeign ? Errors.INVALID_TXN_STATE : errorCode;
}
