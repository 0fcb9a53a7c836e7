/**
 * A transactional producer of version 2 (KIP-890) with nothing in it: one connection, one request at a time, batches of
 * records made beforehand and given their sequences in place. What it waits for is the broker and nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { EndTxnRequest, EndTxnResponse } from '../../src/protocol/messages/26-end-txn.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import { WireClient } from '../wire-client.ts';
import { HOST } from './servers.ts';

const TIMEOUT_MS = 60_000;
/** The version from which partitions join a transaction by being written to, and that in which ends raise the epoch. */
const PRODUCE_VERSION = 12;
const END_VERSION = 5;
const TRANSACTION_COORDINATOR = 1;
/** What the Java producer waits before it asks again (retry.backoff.ms). */
const RETRY_MS = 100;
const RETRIABLE: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.NOT_COORDINATOR,
  Errors.CONCURRENT_TRANSACTIONS,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
]);

export interface TransactionShape {
  readonly topic: string;
  /** Each gets one batch of a transaction. */
  readonly partitions: number;
  readonly recordsPerPartition: number;
  readonly valueBytes: number;
}

export class TransactionalProducer {
  retries = 0;
  readonly #client: WireClient;
  readonly #transactionalId: string;
  readonly #shape: TransactionShape;
  #producerId = -1;
  #epoch = -1;
  /** The next of each partition. */
  #sequences: number[] = [];

  private constructor(client: WireClient, transactionalId: string, shape: TransactionShape) {
    this.#client = client;
    this.#transactionalId = transactionalId;
    this.#shape = shape;
  }

  /** Connects, and has the producer id given. */
  static async start(
    port: number,
    transactionalId: string,
    shape: TransactionShape,
  ): Promise<TransactionalProducer> {
    const producer = new TransactionalProducer(await WireClient.connect(HOST, port), transactionalId, shape);
    await producer.#initialise();
    return producer;
  }

  close(): void {
    this.#client.close();
  }

  /** One transaction from its first record to the answer that it is committed. Throws what the broker refuses. */
  async commitOne(): Promise<void> {
    await this.#retried('Produce', () => this.#produce());
    await this.#retried('EndTxn', async () => {
      const body = {
        transactionalId: this.#transactionalId,
        producerId: this.#producerId,
        producerEpoch: this.#epoch,
        committed: true,
      };
      const answer = await this.#client.call(EndTxnRequest, EndTxnResponse, { version: END_VERSION, body });
      if (answer.errorCode === Errors.NONE) this.#begin(answer.producerId, answer.producerEpoch);
      return answer.errorCode;
    });
  }

  async #initialise(): Promise<void> {
    const key = { key: '', keyType: TRANSACTION_COORDINATOR, coordinatorKeys: [this.#transactionalId] };
    await this.#retried('FindCoordinator', async () => {
      const answer = await this.#client.call(FindCoordinatorRequest, FindCoordinatorResponse, {
        version: 4,
        body: key,
      });
      return answer.coordinators[0]!.errorCode;
    });
    await this.#retried('InitProducerId', async () => {
      const body = { transactionalId: this.#transactionalId, transactionTimeoutMs: TIMEOUT_MS };
      const answer = await this.#client.call(InitProducerIdRequest, InitProducerIdResponse, {
        version: 5,
        body,
      });
      if (answer.errorCode === Errors.NONE) this.#begin(answer.producerId, answer.producerEpoch);
      return answer.errorCode;
    });
  }

  /** Sequences begin anew with each epoch. */
  #begin(producerId: number, epoch: number): void {
    this.#producerId = producerId;
    this.#epoch = epoch;
    this.#sequences = Array.from({ length: this.#shape.partitions }, () => 0);
  }

  async #produce(): Promise<number> {
    const { topic, partitions } = this.#shape;
    const indexes = Array.from({ length: partitions }, (_, index) => index);
    const partitionData = indexes.map((index) => ({ index, records: this.#batch(this.#sequences[index]!) }));
    const body = {
      transactionalId: this.#transactionalId,
      acks: -1,
      timeoutMs: TIMEOUT_MS,
      topicData: [{ name: topic, topicId: '', partitionData }],
    };
    const answer = await this.#client.call(ProduceRequest, ProduceResponse, {
      version: PRODUCE_VERSION,
      body,
    });
    const failed = answer.responses[0]!.partitionResponses.find(({ errorCode }) => errorCode !== Errors.NONE);
    return failed?.errorCode ?? Errors.NONE;
  }

  #batch(baseSequence: number): Buffer {
    const { recordsPerPartition, valueBytes } = this.#shape;
    const value = Buffer.alloc(valueBytes, 'x');
    const timestamp = Date.now();
    const records = Array.from({ length: recordsPerPartition }, () => ({ key: null, value, timestamp }));
    const producer = { producerId: this.#producerId, producerEpoch: this.#epoch, baseSequence };
    return buildBatch({ records, ...producer, isTransactional: true });
  }

  async #retried(what: string, call: () => Promise<number>): Promise<void> {
    for (const late = performance.now() + TIMEOUT_MS; ; await delay(RETRY_MS)) {
      const errorCode = await call();
      if (errorCode === Errors.NONE) return;
      if (!RETRIABLE.has(errorCode) || performance.now() > late) {
        throw new Error(`${what} of ${this.#transactionalId} is refused with error ${errorCode}`);
      }
      this.retries += 1;
    }
  }
}
