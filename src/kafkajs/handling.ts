/** One batch in the hands of the application: `eachMessage` or `eachBatch`, with what these are given to say how far they are. */
import type { ConsumerBatch } from '../client/consumer/record.ts';
import type { RunContext } from '../client/consumer/runner.ts';
import type { OffsetToCommit } from '../client/group/offsets.ts';
import type { TopicPartition } from '../client/consumer/options.ts';
import { Errors } from '../protocol/errors.ts';
import type { ConsumedOffsets } from './consumed-offsets.ts';
import { KafkaJSError, KafkaJSProtocolError } from './errors.ts';
import type { MessageBatch } from './messages.ts';
import { topicOffsetsOf } from './partition-key.ts';
import { brokerAnswered } from './translate.ts';
import type { ConsumerRunConfig, EachBatchHandler, EachMessageHandler, Logger, Offsets } from './types.ts';

export interface HandlingHost {
  readonly run: ConsumerRunConfig;
  readonly logger: Logger;
  readonly offsets: ConsumedOffsets;
  /** `stop` has not been called. */
  readonly isRunning: boolean;
  readonly isAutoCommitted: boolean;
  readonly isCommitDue: boolean;
  isPaused(at: TopicPartition): boolean;
  pause(at: TopicPartition): () => void;
  commit(offsets?: readonly OffsetToCommit[]): Promise<void>;
  autoCommit(): Promise<void>;
}

export interface BatchAtHand {
  /** As it was read. */
  readonly source: ConsumerBatch;
  readonly batch: MessageBatch;
  readonly context: RunContext;
}

export class Handling {
  readonly #host: HandlingHost;
  readonly #at: BatchAtHand;
  #isStale = false;

  constructor(host: HandlingHost, at: BatchAtHand) {
    this.#host = host;
    this.#at = at;
  }

  /** The application has sought another place: what is left of the batch is of no interest. */
  makeStale(): void {
    this.#isStale = true;
  }

  /** Rejects with what the handler throws, after what it has finished is committed. */
  async work(): Promise<void> {
    const { eachMessage, eachBatch } = this.#host.run;
    const { source } = this.#at;
    try {
      if (eachMessage !== undefined && eachMessage !== null) await this.#eachMessage(eachMessage);
      else if (eachBatch !== undefined && eachBatch !== null) await this.#eachBatch(eachBatch);
      else this.#resolve(source.nextOffset);
    } catch (error) {
      // A heartbeat has said that the partition goes to another member.
      if (error instanceof KafkaJSProtocolError && error.type === 'REBALANCE_IN_PROGRESS') return;
      if (!(error instanceof KafkaJSError)) {
        const { topic, partition } = source;
        const { stack = String(error) } = error as Error;
        this.#host.logger.error('Error when calling the handler', { topic, partition, stack });
      }
      await this.#host.autoCommit();
      throw error;
    }
  }

  async #eachMessage(handle: EachMessageHandler): Promise<void> {
    const { source, batch, context } = this.#at;
    const { topic, partition } = source;
    const heartbeat = (): Promise<void> => this.#heartbeat();
    const pause = (): (() => void) => this.#host.pause(source);
    for (const [index, message] of batch.messages.entries()) {
      if (this.#isStale || context.signal.aborted || this.#host.isPaused(source)) return;
      await handle({ topic, partition, message, heartbeat, pause });
      const isLast = index === batch.messages.length - 1;
      this.#resolve(isLast ? source.nextOffset : source.records[index]!.offset + 1);
      if (this.#host.isAutoCommitted && this.#host.isCommitDue) await this.#host.commit();
    }
  }

  async #eachBatch(handle: EachBatchHandler): Promise<void> {
    const { eachBatchAutoResolve = true } = this.#host.run;
    const { source, batch } = this.#at;
    await handle({
      batch,
      resolveOffset: (offset) => this.#resolve(this.#behind(Number(offset))),
      heartbeat: () => this.#heartbeat(),
      pause: () => this.#host.pause(source),
      commitOffsetsIfNecessary: (offsets) => this.#commitIfNecessary(offsets),
      uncommittedOffsets: () => ({ topics: topicOffsetsOf(this.#host.offsets.uncommitted()) }),
      isRunning: () => this.#host.isRunning,
      isStale: () => this.#isStale,
    });
    if (eachBatchAutoResolve) this.#resolve(source.nextOffset);
  }

  /** Behind the last record lie markers that no application sees: they are dealt with by that. */
  #behind(offset: number): number {
    const { records, nextOffset } = this.#at.source;
    return offset === records[records.length - 1]!.offset ? nextOffset : offset + 1;
  }

  #resolve(nextOffset: number): void {
    if (this.#isStale) return;
    this.#at.context.progress(nextOffset);
    this.#host.offsets.resolve(this.#at.source, nextOffset);
  }

  /** Heartbeats go by themselves: this one says that the handler lives, and learns whether its partition is wanted elsewhere. */
  #heartbeat(): Promise<void> {
    const { context } = this.#at;
    context.progress();
    if (!context.signal.aborted || !this.#host.isRunning) return Promise.resolve();
    return Promise.reject(
      brokerAnswered(Errors.REBALANCE_IN_PROGRESS, 'The group is rebalancing, so a rejoin is needed', true),
    );
  }

  async #commitIfNecessary(offsets: Offsets | undefined): Promise<void> {
    if (offsets !== undefined) await this.#host.commit(offsetsToCommit(offsets));
    else if (this.#host.isCommitDue) await this.#host.commit();
  }
}

export function offsetsToCommit({ topics }: Offsets): OffsetToCommit[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
  );
}
