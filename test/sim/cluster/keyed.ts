/**
 * A topic that is compacted while brokers come and go: one producer writes new values for a few keys, each after the one
 * before was acknowledged. At the end the last value of each key is there.
 */
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { Errors, isRetriable } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import * as header from '../../../src/protocol/record-batch.ts';
import { buildBatch, forEachRecord } from '../../../src/protocol/records.ts';
import type { Actor, TopicPlan } from '../admin.ts';
import type { Stage } from '../stage.ts';

const NAME = 'compacted';
const LATEST = -1;
const LIMITS = { maxDecompressedBytes: 1 << 20 };
/** Fetches without anything new before the reading begins anew. */
const IDLE_MAX = 20;

export function keyedTopic(
  { durability, configs }: Pick<TopicPlan, 'durability' | 'configs'>,
  segmentBytes: number,
): TopicPlan {
  return {
    name: NAME,
    durability,
    trimming: 'never',
    partitionCount: 1,
    replicationFactor: 3,
    configs: {
      ...configs,
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': '0.01',
      'internal.segment.bytes': String(segmentBytes),
    },
  };
}

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export class Keyed {
  readonly #stage: Stage;
  readonly #keys: number;
  /** By key, what was acknowledged last; null: a tombstone. */
  readonly #acked = new Map<string, string | null>();
  #sequence = 0;

  constructor(stage: Stage, keys: number) {
    this.#stage = stage;
    this.#keys = keys;
  }

  async run(actor: Actor): Promise<void> {
    const stage = this.#stage;
    const { random } = actor;
    let identity = await this.#identity(actor);
    for (let n = 0; stage.phase === 'faults' && identity !== undefined; n++) {
      const key = `k${random.integer(this.#keys)}`;
      const value = random.chance(0.1) ? null : `${n}`.padEnd(random.between(10, 200), '.');
      const { producerId, producerEpoch } = identity;
      const timestamp = stage.startMs + Math.floor(stage.time.nowMs());
      const records = buildBatch({
        records: [{ key: Buffer.from(key), value: value === null ? null : Buffer.from(value), timestamp }],
        producerId,
        producerEpoch,
        baseSequence: this.#sequence,
      });
      const errorCode = await stage.until('keyed Produce', random, () => this.#produce(actor, records));
      if (errorCode === undefined) return;
      if (errorCode === Errors.NONE) {
        this.#sequence += 1;
        this.#acked.set(key, value);
      } else if (this.#sequence === 0) identity = await this.#identity(actor);
      else {
        stage.history.anomaly('sequence lost', `${NAME}: ${errorCode} for sequence ${this.#sequence}`);
        return;
      }
      await stage.sleep(random.between(5, 120));
    }
  }

  /** Undefined: to be tried again. */
  async #produce({ client }: Actor, records: Buffer): Promise<number | undefined> {
    const { responses } = await client.request(ProduceRequest, ProduceResponse, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 2_000,
      topicData: [{ name: NAME, topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }],
    });
    const { errorCode } = responses[0]!.partitionResponses[0]!;
    this.#stage.note('keyed Produce', errorCode);
    if (errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER) return Errors.NONE;
    const isOver = errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER || !isRetriable(errorCode);
    return errorCode === Errors.NONE || isOver ? errorCode : undefined;
  }

  #identity({ client, random }: Actor): Promise<Identity | undefined> {
    return this.#stage.until('InitProducerId', random, async () => {
      const body = { transactionalId: null, transactionTimeoutMs: 60_000 };
      const answer = await client.request(InitProducerIdRequest, InitProducerIdResponse, 4, body);
      return answer.errorCode === Errors.NONE ? answer : undefined;
    });
  }

  async check(actor: Actor): Promise<void> {
    const stage = this.#stage;
    const found = await stage.until('keyed Fetch', actor.random, () => this.#read(actor));
    for (const [key, value] of this.#acked) {
      const there = found?.get(key) ?? null;
      if (there !== value) stage.history.anomaly('lost-write', `${NAME}: ${key} is ${there}, not ${value}`);
    }
  }

  /** The last value of each key. */
  async #read({ client }: Actor): Promise<Map<string, string | null> | undefined> {
    const listed = await client.request(ListOffsetsRequest, ListOffsetsResponse, 7, {
      replicaId: -1,
      isolationLevel: 0,
      timeoutMs: 0,
      topics: [{ name: NAME, partitions: [{ partitionIndex: 0, timestamp: LATEST }] }],
    });
    const { errorCode, offset: end } = listed.topics[0]!.partitions[0]!;
    if (errorCode !== Errors.NONE) return undefined;
    const values = new Map<string, string | null>();
    let at = 0;
    for (let idle = 0; at < end; idle++) {
      if (idle === IDLE_MAX) return undefined;
      const answer = await client.request(FetchRequest, FetchResponse, 12, {
        maxWaitMs: 100,
        minBytes: 1,
        maxBytes: 1 << 22,
        isolationLevel: 0,
        topics: [
          {
            topic: NAME,
            topicId: '',
            partitions: [{ partition: 0, fetchOffset: at, partitionMaxBytes: 1 << 20 }],
          },
        ],
        forgottenTopicsData: [],
      });
      const bytes = Buffer.concat(answer.responses[0]?.partitions[0]?.records ?? []);
      header.forEachBatch(bytes, (position, sizeBytes) => {
        const batch = bytes.subarray(position, position + sizeBytes);
        const visit = (record: { offset: number; key: Buffer | null; value: Buffer | null }): void => {
          if (record.offset >= at) values.set(String(record.key), record.value?.toString() ?? null);
        };
        if (!header.isControl(batch)) forEachRecord(batch, visit, LIMITS);
        at = Math.max(at, header.lastOffset(batch) + 1);
        idle = 0;
      });
    }
    return values;
  }
}
