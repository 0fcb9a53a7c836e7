/** Batches put together to a Produce request, and the parts of its answer found again. */
import {
  ProduceRequest,
  ProduceResponse,
  type ProduceResponse as Answer,
} from '../../protocol/messages/00-produce.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Call } from '../connection/broker-link.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { ownError } from '../errors.ts';
import type { Batch } from './batch.ts';
import type { ProducerSettings } from './options.ts';
import type { PartitionQueue } from './partition-queue.ts';

export interface SentBatch {
  readonly queue: PartitionQueue;
  readonly batch: Batch;
  /** The topic's at the time. */
  readonly topicId: string;
}

type PartitionAnswer = Answer['responses'][number]['partitionResponses'][number];
type TopicData = Write<typeof ProduceRequest>['topicData'][number];

/** From this version on topics go by id (KIP-516). */
const TOPIC_ID_VERSION = 13;
/** Older brokers take zstd for nonsense (KIP-110). */
const ZSTD_VERSION = 7;
/** The broker has its whole time before we give up. */
const ANSWER_SLACK_MS = 1_000;

export class ProduceRequestBuilder {
  readonly #settings: ProducerSettings;
  readonly #transaction: { readonly transactionalId: string; readonly produceVersionMax: number } | undefined;

  constructor(
    settings: ProducerSettings,
    transaction: { readonly transactionalId: string; readonly produceVersionMax: number } | undefined,
  ) {
    this.#settings = settings;
    this.#transaction = transaction;
  }

  call(
    batches: readonly SentBatch[],
    timeoutMs: number,
  ): Call<Write<typeof ProduceRequest>, ProduceResponse> {
    const { acks } = this.#settings;
    return {
      request: ProduceRequest,
      response: ProduceResponse,
      versionMax: Math.min(
        // A topic whose id is not known can only be named.
        batches.every(({ topicId }) => topicId !== ZERO_UUID) ? Infinity : TOPIC_ID_VERSION - 1,
        this.#transaction?.produceVersionMax ?? Infinity,
      ),
      timeoutMs: timeoutMs + ANSWER_SLACK_MS,
      body: (version) => ({
        transactionalId: this.#transaction?.transactionalId ?? null,
        acks,
        timeoutMs,
        topicData: this.#topicData(batches, version),
      }),
    };
  }

  /** Undefined when the broker has left it out. */
  answerTo({ queue, topicId: sentId }: SentBatch, answer: ProduceResponse): PartitionAnswer | undefined {
    for (const { name, topicId, partitionResponses } of answer.responses) {
      if (name === '' ? topicId !== sentId : name !== queue.topic.name) continue;
      for (const partition of partitionResponses) if (partition.index === queue.index) return partition;
    }
    return undefined;
  }

  #topicData(batches: readonly SentBatch[], version: number): TopicData[] {
    const { compression: chosen, compressionLevel } = this.#settings;
    const isTransactional = this.#transaction !== undefined;
    const byTopic = new Map<string, { readonly data: TopicData; readonly partitions: PartitionData[] }>();
    for (const { queue, batch, topicId } of batches) {
      const { name } = queue.topic;
      const compression = typeof chosen === 'function' ? chosen(name) : chosen;
      if (compression === 'zstd' && version < ZSTD_VERSION)
        throw ownError('UNSUPPORTED_API', 'the broker does not know zstd');
      let topic = byTopic.get(name);
      if (topic === undefined) {
        const partitions: PartitionData[] = [];
        const named = version < TOPIC_ID_VERSION ? { name, topicId: ZERO_UUID } : { name: '', topicId };
        topic = { data: { ...named, partitionData: partitions }, partitions };
        byTopic.set(name, topic);
      }
      topic.partitions.push({
        index: queue.index,
        records: batch.seal({ compression, compressionLevel, isTransactional }),
      });
    }
    return [...byTopic.values()].map(({ data }) => data);
  }
}

type PartitionData = { index: number; records: Buffer };
