/** For tests: a transactional producer that speaks frames to a simulated broker, as clients of v1 or v2 do. */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from '../protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../protocol/messages/26-end-txn.ts';
import {
  forEachBatch,
  isControl,
  isTransactional,
  lastOffset,
  producerId as producerIdOf,
} from '../protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../protocol/records.ts';
import type { Write } from '../protocol/schema.ts';
import { batchOf, produceBody, type FetchOptions, type TestClient, type TestWorld } from './test-client.ts';

/** From this version of Produce on its sender speaks transactions v2. */
const PRODUCE_V2_SINCE = 12;
const LIMITS = { maxDecompressedBytes: 16 << 20 };

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export class TestProducer implements Identity {
  readonly transactionalId: string;
  client!: TestClient;
  producerId = -1;
  producerEpoch = -1;
  #world: TestWorld;
  readonly #produceVersion: number;
  readonly #sequences = new Map<string, number>();

  private constructor(world: TestWorld, transactionalId: string, produceVersion: number) {
    this.#world = world;
    this.transactionalId = transactionalId;
    this.#produceVersion = produceVersion;
  }

  /** Finds its coordinator and gets its id and epoch; waits while an older transaction is being aborted. */
  static async begin(
    world: TestWorld,
    transactionalId: string,
    options: { readonly produceVersion?: number; readonly timeoutMs?: number } = {},
  ): Promise<TestProducer> {
    const producer = new TestProducer(world, transactionalId, options.produceVersion ?? PRODUCE_V2_SINCE);
    await producer.reconnect(world);
    await producer.init(options.timeoutMs ?? 60_000);
    return producer;
  }

  get isV2(): boolean {
    return this.#produceVersion >= PRODUCE_V2_SINCE;
  }

  async reconnect(world: TestWorld): Promise<void> {
    this.#world = world;
    this.client = await world.connect();
    const found = await this.client.request(FindCoordinatorRequest, FindCoordinatorResponse, 4, {
      key: '',
      keyType: 1,
      coordinatorKeys: [this.transactionalId],
    });
    const { errorCode } = found.coordinators[0]!;
    if (errorCode !== Errors.NONE) throw new Error(`FindCoordinator answered ${errorCode}`);
  }

  async init(timeoutMs: number): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const body = {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: timeoutMs,
        producerId: -1,
        producerEpoch: -1,
      };
      const answer = await this.client.request(InitProducerIdRequest, InitProducerIdResponse, 5, body);
      if (answer.errorCode === Errors.NONE) {
        this.#become(answer);
        return;
      }
      const isPassing: readonly number[] = [
        Errors.CONCURRENT_TRANSACTIONS,
        Errors.COORDINATOR_LOAD_IN_PROGRESS,
      ];
      if (!isPassing.includes(answer.errorCode)) throw new Error(`InitProducerId: ${answer.errorCode}`);
      await this.#world.ports.time.advance(20);
    }
    throw new Error('InitProducerId is never answered');
  }

  /** One batch in one partition; CONCURRENT_TRANSACTIONS is tried again, as clients do. */
  send(
    topic: string,
    values: readonly string[],
    options: { readonly partition?: number } = {},
  ): Promise<ProduceResponse['responses'][number]['partitionResponses'][number]> {
    return this.#send({ topic, count: values.length, ...options }, (sequence) =>
      transactionalBatch(this, values, sequence),
    );
  }

  /** As above, of `key=value`. */
  sendKeyed(
    topic: string,
    texts: readonly string[],
  ): Promise<ProduceResponse['responses'][number]['partitionResponses'][number]> {
    const timestamp = this.#world.ports.clock.nowMs();
    const records = texts.map((text) => {
      const [key, value] = text.split('=').map((part) => Buffer.from(part));
      return { key, value, timestamp };
    });
    const { producerId, producerEpoch } = this;
    return this.#send({ topic, count: texts.length }, (baseSequence) =>
      buildBatch({ records, producerId, producerEpoch, baseSequence, isTransactional: true }),
    );
  }

  async #send(
    to: { readonly topic: string; readonly partition?: number; readonly count: number },
    batchAt: (sequence: number) => Buffer,
  ): Promise<ProduceResponse['responses'][number]['partitionResponses'][number]> {
    const { topic, partition = 0, count } = to;
    const key = `${topic}-${partition}`;
    const sequence = this.#sequences.get(key) ?? 0;
    for (let attempt = 0; ; attempt++) {
      const body = transactionalBody(this, topic, [[partition, batchAt(sequence)]]);
      const answer = await this.client.request(ProduceRequest, ProduceResponse, this.#produceVersion, body);
      const one = answer.responses[0]!.partitionResponses[0]!;
      if (one.errorCode === Errors.NONE) this.#sequences.set(key, sequence + count);
      const isPassing: readonly number[] = [Errors.CONCURRENT_TRANSACTIONS, Errors.NOT_ENOUGH_REPLICAS];
      if (attempt === 20 || !isPassing.includes(one.errorCode)) return one;
      await this.#world.ports.time.advance(20);
    }
  }

  async add(topic: string, partition: number): Promise<ErrorCode> {
    const answer = await this.client.request(AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 3, {
      transactions: [],
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    });
    return answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode as ErrorCode;
  }

  startEnd(committed: boolean): Promise<EndTxnResponse> {
    const { transactionalId, producerId, producerEpoch } = this;
    const version = this.isV2 ? 5 : 4;
    const body = { transactionalId, producerId, producerEpoch, committed };
    return this.client.send(EndTxnRequest, EndTxnResponse, version, body).answer;
  }

  async end(committed: boolean): Promise<ErrorCode> {
    const answer = await this.#world.ports.time.settle(this.startEnd(committed));
    if (answer.errorCode === Errors.NONE && this.isV2) this.#become(answer);
    return answer.errorCode as ErrorCode;
  }

  #become({ producerId, producerEpoch }: Identity): void {
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) this.#sequences.clear();
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }
}

export function transactionalBatch(of: Identity, values: readonly string[], baseSequence: number): Buffer {
  const { producerId, producerEpoch } = of;
  return batchOf(values, { producerId, producerEpoch, baseSequence, isTransactional: true });
}

export function transactionalBody(
  { transactionalId }: { readonly transactionalId: string },
  topic: string,
  partitions: readonly (readonly [number, Buffer])[],
): Write<typeof ProduceRequest> {
  return { ...produceBody(topic, partitions), transactionalId };
}

/** All values of a partition as a consumer of this isolation sees them: aborted transactions left out where it says so. */
export async function readValues(
  client: TestClient,
  topic: string,
  options: Partial<FetchOptions> = {},
): Promise<string[]> {
  const { records } = await readFrom(client, topic, 0, options);
  return records.map(({ value }) => value!);
}

export interface ReadRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** As above from an offset on, to where nothing more comes: `nextOffset` is then where a consumer stands. */
export async function readFrom(
  client: TestClient,
  topic: string,
  fromOffset: number,
  options: Partial<FetchOptions> = {},
): Promise<{ readonly records: ReadRecord[]; readonly nextOffset: number }> {
  const records: ReadRecord[] = [];
  for (let nextOffset = fromOffset; ;) {
    const answer = await client.fetch(topic, nextOffset, { maxWaitMs: 0, ...options });
    if (answer.errorCode !== Errors.NONE) throw new Error(`Fetch answered ${answer.errorCode}`);
    const before = nextOffset;
    const aborted = [...(answer.abortedTransactions ?? [])];
    const open = new Set<number>();
    const bytes = Buffer.concat(answer.records ?? []);
    forEachBatch(bytes, (at) => {
      const batch = bytes.subarray(at);
      const producerId = producerIdOf(batch);
      while (aborted.length > 0 && aborted[0]!.firstOffset <= lastOffset(batch)) {
        open.add(aborted.shift()!.producerId);
      }
      forEachRecord(
        batch,
        ({ offset, key, value }) => {
          if (isControl(batch)) {
            if (key!.readInt16BE(2) === 0) open.delete(producerId);
          } else if (offset >= before && !(isTransactional(batch) && open.has(producerId))) {
            records.push({ offset, key: key?.toString() ?? null, value: value?.toString() ?? null });
          }
        },
        LIMITS,
      );
      // Of a compacted log it may have lost its last records, or all.
      nextOffset = lastOffset(batch) + 1;
    });
    if (nextOffset === before) return { records, nextOffset };
  }
}
