/**
 * A transactional producer in both flavours of the protocol. v2 (KIP-890): partitions join by being written to, and each
 * end raises the epoch. v1: partitions are added first, and the epoch stays, so sequences go on.
 *
 * By its design v1 cannot tell what is late from what is meant, where a request carries nothing but the epoch (the reason
 * for KIP-890): a late EndTxn ends the next transaction of its producer, a late TxnOffsetCommit takes the offsets of
 * the next one back. So once one of these two may still be on its way, a v1 producer takes another epoch before it goes on,
 * as one that wants to be safe must; so does it after an abort that left a batch in doubt, as the Java client does (KIP-360).
 * Late AddPartitionsToTxn, AddOffsetsToTxn and Produce requests of v1 need no such care: the first two open a transaction
 * with nothing in it, which ends with the next one or with its timeout, and batches have sequences and are verified.
 */
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { Errors, isRetriable, type ErrorCode } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../../src/protocol/messages/26-end-txn.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import { buildBatch } from '../../../src/protocol/records.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Stage } from '../stage.ts';
import type { Courier } from './courier.ts';
import { partitionOf, type Journal } from './journal.ts';

export type Flavour = 'v1' | 'v2';

const TRANSACTION_COORDINATOR = 1;
/** Share of the batches without an answer that are not sent again. */
const BATCH_GIVEN_UP = 0.3;
/** In the place of an error: there was no answer until the client gave up. */
export const UNKNOWN = 'unknown';
export type Outcome = ErrorCode | typeof UNKNOWN;

export interface Batch {
  readonly key: string;
  readonly values: readonly number[];
}

export interface ProducerOptions {
  readonly process: string;
  readonly id: string;
  readonly flavour: Flavour;
  readonly timeoutMs: number;
  readonly random: SimulatedRandom;
  /** False is a deliberate fault: a v1 producer that goes on in its epoch whatever may still be on its way. */
  readonly isCareful: boolean;
}

export class TransactionalProducer {
  readonly options: ProducerOptions;
  /** Names this life in the journal; undefined: it must initialise first. */
  life: string | undefined;
  readonly #stage: Stage;
  readonly #journal: Journal;
  readonly #courier: Courier;
  #producerId = -1;
  #epoch = -1;
  /** The next of each partition in this epoch. */
  readonly #sequences = new Map<string, number>();
  readonly #added = new Set<string>();
  /** The next transaction needs another epoch. */
  #mustRenew = false;

  constructor(journal: Journal, courier: Courier, options: ProducerOptions) {
    this.#journal = journal;
    this.#courier = courier;
    this.#stage = courier.stage;
    this.options = options;
  }

  get isV2(): boolean {
    return this.options.flavour === 'v2';
  }

  /** Ready for another transaction, in another life if need be; false: it has to try again. */
  async begin(): Promise<boolean> {
    if (await this.goOn()) return true;
    return (await this.#initialise({ isRenewal: false })) !== undefined;
  }

  /** Ready for another transaction, and nobody else was the producer in between. */
  async goOn(): Promise<boolean> {
    this.#added.clear();
    if (this.life !== undefined && this.#mustRenew) await this.#initialise({ isRenewal: true });
    return this.life !== undefined;
  }

  /** Forgets all, as a process that is killed. */
  die(): void {
    this.life = undefined;
    this.#courier.disconnect();
  }

  /** Sends one batch until it is answered; `at` is its first offset, where it is known. */
  async produce({ key, values }: Batch): Promise<{ readonly outcome: Outcome; readonly at?: number }> {
    if (!this.isV2) {
      const outcome = await this.#addPartition(key);
      if (outcome !== Errors.NONE) return { outcome };
    }
    const { id, random } = this.options;
    const { topic, partition } = partitionOf(key);
    const baseSequence = this.#sequences.get(key) ?? 0;
    this.#sequences.set(key, baseSequence + values.length);
    const timestamp = this.#stage.startMs + Math.floor(this.#stage.time.nowMs());
    const records = buildBatch({
      records: values.map((value) => ({ key: null, value: Buffer.from(String(value)), timestamp })),
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      baseSequence,
      isTransactional: true,
    });
    let at = -1;
    const outcome = await this.#retried('Produce', async () => {
      const answer = await this.#courier.ask({
        request: ProduceRequest,
        response: ProduceResponse,
        version: this.isV2 ? 12 : random.between(9, 11),
        body: {
          transactionalId: id,
          acks: -1,
          timeoutMs: 2_000,
          topicData: [{ name: topic, topicId: ZERO_UUID, partitionData: [{ index: partition, records }] }],
        },
      });
      const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
      at = baseOffset;
      if (errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER || errorCode === Errors.UNKNOWN_PRODUCER_ID) {
        // A producer that gave a batch up does not go on behind it, so nothing that it sends is out of order.
        const what = `${key}: ${errorCode} for ${baseSequence} of ${this.#producerId}, epoch ${this.#epoch}`;
        this.#stage.history.anomaly('sequence lost', what);
      }
      return errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER ? Errors.NONE : errorCode;
    });
    if (outcome !== Errors.NONE && !this.isV2) this.#mustRenew = true;
    return outcome === Errors.NONE && at >= 0 ? { outcome, at } : { outcome };
  }

  /** Commits a group's offsets in the transaction. */
  async commitOffsets(group: string, offsets: Readonly<Record<string, number>>): Promise<Outcome> {
    if (!this.isV2) {
      const outcome = await this.#retried('AddOffsetsToTxn', async () => {
        const body = { ...this.#identity(), groupId: group };
        const call = { request: AddOffsetsToTxnRequest, response: AddOffsetsToTxnResponse };
        return (await this.#courier.ask({ ...call, version: 3, body })).errorCode;
      });
      if (outcome !== Errors.NONE) return outcome;
    }
    const topics = Map.groupBy(Object.keys(offsets), (key) => partitionOf(key).topic);
    const body = {
      ...this.#identity(),
      groupId: group,
      topics: [...topics].map(([name, keys]) => ({
        name,
        topicId: ZERO_UUID,
        partitions: keys.map((key) => ({
          partitionIndex: partitionOf(key).partition,
          committedOffset: offsets[key]!,
          committedMetadata: null,
        })),
      })),
    };
    this.#courier.takeDoubt();
    const outcome = await this.#retried('TxnOffsetCommit', async () => {
      const call = { request: TxnOffsetCommitRequest, response: TxnOffsetCommitResponse };
      const answer = await this.#courier.ask({ ...call, version: this.isV2 ? 5 : 3, body });
      const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
      return codes.find((errorCode) => errorCode !== Errors.NONE) ?? Errors.NONE;
    });
    this.#renewAfterDoubt();
    return outcome;
  }

  /** Asks for the end until it is answered. Any answer but NONE ends this life. */
  async end(isCommit: boolean): Promise<Outcome> {
    const body = { ...this.#identity(), committed: isCommit };
    let next: { readonly producerId: number; readonly producerEpoch: number } | undefined;
    this.#courier.takeDoubt();
    const outcome = await this.#retried(isCommit ? 'EndTxn commit' : 'EndTxn abort', async () => {
      const call = { request: EndTxnRequest, response: EndTxnResponse };
      next = await this.#courier.ask({ ...call, version: this.isV2 ? 5 : 3, body });
      return (next as EndTxnResponse).errorCode;
    });
    this.#renewAfterDoubt();
    if (outcome !== Errors.NONE) this.life = undefined;
    else if (this.isV2) this.#become(next!);
    return outcome;
  }

  #identity() {
    return { transactionalId: this.options.id, producerId: this.#producerId, producerEpoch: this.#epoch };
  }

  #become({
    producerId,
    producerEpoch,
  }: {
    readonly producerId: number;
    readonly producerEpoch: number;
  }): void {
    this.#producerId = producerId;
    this.#epoch = producerEpoch;
    this.#sequences.clear();
    this.#mustRenew = false;
  }

  #renewAfterDoubt(): void {
    if (this.#courier.takeDoubt() && !this.isV2 && this.options.isCareful) this.#mustRenew = true;
  }

  /** The name of the new life; undefined: there is none. */
  async #initialise({ isRenewal }: { readonly isRenewal: boolean }): Promise<string | undefined> {
    const { process, id, timeoutMs } = this.options;
    const producer = this.#journal.nextProducer(id);
    const about = { f: 'init', id, producer } as const;
    this.#journal.note(process, { ...about, type: 'invoke' });
    const outcome = await this.#retried('InitProducerId', async () => {
      const found = await this.#courier.ask({
        request: FindCoordinatorRequest,
        response: FindCoordinatorResponse,
        version: 4,
        body: { key: '', keyType: TRANSACTION_COORDINATOR, coordinatorKeys: [id] },
      });
      const errorCode = found.coordinators[0]!.errorCode;
      if (errorCode !== Errors.NONE) return errorCode;
      const body = { transactionalId: id, transactionTimeoutMs: timeoutMs };
      const answer = await this.#courier.ask({
        request: InitProducerIdRequest,
        response: InitProducerIdResponse,
        version: this.isV2 ? 5 : 4,
        body: isRenewal ? { ...body, producerId: this.#producerId, producerEpoch: this.#epoch } : body,
      });
      if (answer.errorCode === Errors.NONE) this.#become(answer);
      return answer.errorCode;
    });
    const isDone = outcome === Errors.NONE;
    this.#journal.note(process, { ...about, type: isDone ? 'ok' : outcome === UNKNOWN ? 'info' : 'fail' });
    this.life = isDone ? producer : undefined;
    return this.life;
  }

  async #addPartition(key: string): Promise<Outcome> {
    if (this.#added.has(key)) return Errors.NONE;
    const { random } = this.options;
    const { topic, partition } = partitionOf(key);
    const body = {
      transactions: [],
      v3AndBelowTransactionalId: this.options.id,
      v3AndBelowProducerId: this.#producerId,
      v3AndBelowProducerEpoch: this.#epoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    };
    const version = random.between(0, 3);
    const outcome = await this.#retried('AddPartitionsToTxn', async () => {
      const call = { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse };
      const answer = await this.#courier.ask({ ...call, version, body });
      return answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode;
    });
    if (outcome === Errors.NONE) this.#added.add(key);
    return outcome;
  }

  /** What passes is tried again, for as long as a transaction may last. */
  async #retried(what: string, attempt: () => Promise<number>): Promise<Outcome> {
    const { random, timeoutMs } = this.options;
    const untilMs = this.#stage.time.nowMs() + timeoutMs;
    for (;;) {
      let outcome: Outcome = UNKNOWN;
      try {
        outcome = (await attempt()) as ErrorCode;
        this.#stage.note(what, outcome);
      } catch (error) {
        this.#stage.unknown(what, error);
      }
      if (outcome !== UNKNOWN && !isRetriable(outcome)) return outcome;
      // A batch has a time of its own, and is given up before the transaction is.
      if (outcome === UNKNOWN && what === 'Produce' && random.chance(BATCH_GIVEN_UP)) return UNKNOWN;
      if (this.#stage.time.nowMs() >= untilMs) return UNKNOWN;
      await this.#stage.sleep(random.between(5, 100));
    }
  }
}
