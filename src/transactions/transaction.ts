/**
 * What the coordinator knows of one transactional id, and how it changes: each function answers the transaction that
 * follows, and none changes the one it was given (KIP-98, KIP-360, KIP-890). Whether a change is allowed at all is
 * decided by those who handle the requests.
 *
 *     Empty ──────────► Ongoing ──────► PrepareCommit ──► CompleteCommit
 *       ▲  └──────────────┐ └───────┐                          │
 *       │                 ▼         ▼                          │
 *       │   (abort, v2)  PrepareAbort ───────► CompleteAbort   │
 *       └── InitProducerId ◄───────────────────────┴───────────┘     a completed one may also go on to Ongoing
 */

/** Their numbers in records are their places here. Nobody ever sees the last two: an id that expires is removed at once,
 * and fencing a producer is one step together with the abort. */
export const TRANSACTION_STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;
export type TransactionState = (typeof TRANSACTION_STATES)[number];

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
const EPOCH_MAX = 32_767;
/** The timeout of a transaction that an outside coordinator ends (KIP-939): it never runs out. */
const TWO_PHASE_TIMEOUT_MS = 2 ** 31 - 1;
/** From this version on each transaction ends with a raised epoch (KIP-890). */
const EPOCH_BUMP_SINCE = 2;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export type PartitionsByTopic = ReadonlyMap<string, ReadonlySet<number>>;

export interface Transaction {
  readonly transactionalId: string;
  readonly producerId: number;
  /** The id before this one, if the last change gave another: its producer may ask again. */
  readonly previousProducerId: number;
  /** The id that takes over when the transaction is complete, because the epochs of this one are used up. */
  readonly nextProducerId: number;
  readonly producerEpoch: number;
  /** The epoch before the last bump, where a retry from it is to be recognised. Not in the log: -1 after a restart. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  readonly partitions: PartitionsByTopic;
  /** When the first partition was added; -1 before. */
  readonly startMs: number;
  readonly updatedMs: number;
  /** transaction.version as the client speaks it. */
  readonly clientVersion: number;
}

const NO_PARTITIONS: PartitionsByTopic = new Map();

/** A transactional id that nobody has used yet; no record says this. */
export function newTransaction(transactionalId: string, producerId: number): Transaction {
  return {
    transactionalId,
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: NO_PRODUCER_EPOCH,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    timeoutMs: 0,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startMs: -1,
    updatedMs: -1,
    clientVersion: 0,
  };
}

/** Clients never get the highest epoch, so that the coordinator can always fence them. */
export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= EPOCH_MAX - 1;
}

export function isPrepared({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}

/** Nothing is open: the id may get another epoch, begin a transaction, or expire. */
export function isIdle({ state }: Transaction): boolean {
  return state === 'Empty' || state === 'CompleteCommit' || state === 'CompleteAbort';
}

/** `begunMs`: at the latest. */
export function isTimedOut({ state, timeoutMs }: Transaction, begunMs: number, nowMs: number): boolean {
  return state === 'Ongoing' && timeoutMs !== TWO_PHASE_TIMEOUT_MS && begunMs + timeoutMs < nowMs;
}

export function bumpsEpoch(transactionVersion: number): boolean {
  return transactionVersion >= EPOCH_BUMP_SINCE;
}

/** A producer begins: with another epoch, or with another id at epoch 0. */
export function initialized(
  transaction: Transaction,
  to: {
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly lastProducerEpoch: number;
    readonly timeoutMs: number;
    readonly nowMs: number;
  },
): Transaction {
  return {
    ...transaction,
    ...changeOfId(transaction, to.producerId),
    producerEpoch: to.producerEpoch,
    lastProducerEpoch: to.lastProducerEpoch,
    timeoutMs: to.timeoutMs,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startMs: -1,
    updatedMs: to.nowMs,
  };
}

/** Begins the transaction, if it has not begun, with these partitions, or goes on with them. */
export function withPartitions(
  transaction: Transaction,
  added: readonly TopicPartition[],
  options: { readonly clientVersion: number; readonly nowMs: number },
): Transaction {
  const partitions = new Map<string, Set<number>>();
  for (const [topic, known] of transaction.partitions) partitions.set(topic, known as Set<number>);
  for (const [topic, of] of Map.groupBy(added, (one) => one.topic)) {
    const indexes = of.map(({ partition }) => partition);
    partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...indexes]));
  }
  return {
    ...transaction,
    ...changeOfId(transaction, transaction.producerId),
    state: 'Ongoing',
    partitions,
    startMs: transaction.state === 'Ongoing' ? transaction.startMs : options.nowMs,
    updatedMs: options.nowMs,
    clientVersion: options.clientVersion,
  };
}

export function hasPartition({ partitions }: Transaction, { topic, partition }: TopicPartition): boolean {
  return partitions.get(topic)?.has(partition) === true;
}

/**
 * The outcome is decided. With transactions v2 the epoch rises, and the markers carry the new one: what comes late from
 * this transaction is older than its end.
 */
export function prepared(
  transaction: Transaction,
  options: {
    readonly isCommit: boolean;
    readonly clientVersion: number;
    readonly nextProducerId: number;
    readonly nowMs: number;
  },
): Transaction {
  const { clientVersion, nowMs } = options;
  const epochs = bumpsEpoch(clientVersion)
    ? { producerEpoch: nextEpoch(transaction), lastProducerEpoch: transaction.producerEpoch }
    : undefined;
  return {
    ...transaction,
    ...changeOfId(transaction, transaction.producerId),
    ...epochs,
    nextProducerId: options.nextProducerId,
    state: options.isCommit ? 'PrepareCommit' : 'PrepareAbort',
    // An empty transaction can be aborted too (v2); that it began now is as good as anything.
    startMs: transaction.state === 'Ongoing' ? transaction.startMs : nowMs,
    updatedMs: nowMs,
    clientVersion,
  };
}

/** The coordinator aborts what a producer left open, and shuts it out: the epoch rises in any version. */
export function fenced(
  transaction: Transaction,
  options: { readonly serverVersion: number; readonly nowMs: number },
): Transaction {
  const { serverVersion, nowMs } = options;
  const aborted = prepared(transaction, {
    isCommit: false,
    clientVersion: serverVersion,
    nextProducerId: NO_PRODUCER_ID,
    nowMs,
  });
  if (bumpsEpoch(serverVersion)) return aborted;
  return { ...aborted, producerEpoch: nextEpoch(transaction), lastProducerEpoch: NO_PRODUCER_EPOCH };
}

/** All markers are in. */
export function completed(transaction: Transaction, nowMs: number): Transaction {
  const { nextProducerId, clientVersion } = transaction;
  const isReplaced = bumpsEpoch(clientVersion) && nextProducerId !== NO_PRODUCER_ID;
  return {
    ...transaction,
    ...changeOfId(transaction, isReplaced ? nextProducerId : transaction.producerId),
    producerEpoch: isReplaced ? 0 : transaction.producerEpoch,
    nextProducerId: NO_PRODUCER_ID,
    state: transaction.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: NO_PARTITIONS,
    updatedMs: nowMs,
  };
}

function nextEpoch({ producerEpoch }: Transaction): number {
  return Math.min(producerEpoch + 1, EPOCH_MAX);
}

function changeOfId(
  transaction: Transaction,
  producerId: number,
): { readonly producerId: number; readonly previousProducerId: number } {
  const isSame = producerId === transaction.producerId;
  return { producerId, previousProducerId: isSame ? NO_PRODUCER_ID : transaction.producerId };
}
